"""`python -m rag_study` is the command `rag-study`."""

from rag_study.cli import main

if __name__ == "__main__":
    main()

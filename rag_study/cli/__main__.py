"""`python -m rag_study.cli`, for where the command `rag-study` is not installed."""

from rag_study.cli import main

if __name__ == "__main__":
    main()

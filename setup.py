"""What pyproject.toml cannot say: notebooks and study files, which lie at the top of the
repository, travel inside the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = {"notebooks": ("*.ipynb",), "params": ("*.yaml", "*.jsonl", "findings/*.yaml")}


class BuildWithNotebooks(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # they are used where they lie
            return
        for folder, patterns in FOLDERS.items():
            for pattern in patterns:
                for file in sorted(Path(folder).glob(pattern)):
                    target = Path(self.build_lib) / "rag_study" / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": BuildWithNotebooks})

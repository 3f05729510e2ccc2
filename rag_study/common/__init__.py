"""What every folder uses and none owns: errors, files, run folders, paths, the machine, wording.

Knows nothing of questions, models or studies.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["StudyError"],
        "machine": ["resolve_dtype", "resolve_threads"],
        "meter": ["Meter"],
        "paths": ["PROJECT_ROOT", "located", "outputs_dir", "portable"],
        "run_folder": ["RunFolder", "Status"],
    },
)

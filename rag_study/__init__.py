"""Should the model in a RAG system be fine-tuned, how, and on how much data?"""

import logging
import warnings

from rag_study.common import former_names
from rag_study.common.version import __version__

__all__ = ["__version__"]

# PEFT 0.21 asks transformers 5 for a property by its old name whenever it wraps a model.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
# On some processors bitsandbytes asks for `kernels`, a package that fetches binaries from a hub.
# It is left out on purpose, and that is no news.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

former_names.install()

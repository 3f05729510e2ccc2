"""Generated results of studies whose truth is known, for the tests of the statistics."""

import numpy as np
import pandas as pd

RUN = {
    **{"dataset": "fictional", "model": "small", "method": "none", "train_format": "none"},
    **{"train_size": 0, "seed": 0, "variant": "", "prompting": "default", "retriever": "dense"},
    **{"chunk_size": 192, "top_k": 3},
}
TUNED = {"method": "lora", "train_format": "closed_book", "train_size": 50}


def rows(scores, context="retrieved", judge="", groups=None, **run):
    """Rows of the results table of one run; `scores` maps a metric to one value per question."""
    n = len(next(iter(scores.values())))
    ids = [f"q{i:04d}" for i in range(n)]
    fixed = {**RUN, **run, "context": context, "judge": judge}
    return pd.DataFrame({**fixed, "question_id": ids, "group": groups or ids, **scores})


def study(effects, n=100, judge="j", metric="judge_accuracy", seed=0, spread=0.8, **base):
    """Results of a base and of one tuned run per entry of `effects`: (settings, true effect).

    `settings` are changes to TUNED; the context goes with them, the base is answered in each.
    Differences have standard deviation `spread`, one question in two groups of two.
    """
    rng = np.random.default_rng(seed)
    groups = [f"g{i // 2}" for i in range(n)]
    levels, frames = {}, []
    for settings, effect in effects:
        settings = {"context": "retrieved", **base, **settings}
        of_base = {k: v for k, v in settings.items() if k in ("dataset", "chunk_size", "top_k")}
        of_base |= {"context": settings["context"], "groups": groups, "judge": judge}
        key = tuple(sorted((k, str(v)) for k, v in of_base.items()))
        if key not in levels:
            levels[key] = rng.normal(3, 1, n)
            frames.append(rows({metric: levels[key]}, **of_base))
        shared = np.repeat(rng.normal(size=(n + 1) // 2), 2)[:n] * spread * np.sqrt(0.25)
        noise = rng.normal(size=n) * spread * np.sqrt(0.75)
        tuned = levels[key] + effect + shared + noise
        frames.append(rows({metric: tuned}, groups=groups, judge=judge, **{**TUNED, **settings}))
    return pd.concat(frames, ignore_index=True)

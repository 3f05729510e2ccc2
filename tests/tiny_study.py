"""The smallest whole study: nine runs of the random model on forty questions of one's own."""

STUDY = """\
name: anywhere
models: [random-llama]
datasets: [{name: jsonl, path: dáta, label: "Türme {塔}", test_size: 8}]
fine_tuning: [{train_format: with_context, train_size: [4], epochs: 1}]
contexts: [none, retrieved]
retrieval: {retriever: bm25, chunk_size: 64, chunk_overlap: 8, top_k: 2}
answering: {max_new_tokens: 4}
retention: 0
semantic_similarity: false
judges: [{model: random-llama, ladder_size: 20}]
compute: {dtype: float32, threads: 1}
notes: ["Übung — 塔"]
"""
ALL_RUN = "9 run, 0 reused, 0 failed, 0 blocked"

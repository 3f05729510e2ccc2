"""What people are asked about an answer, in words for people.

The same criteria as the judge's, so that both can be compared, but not its prompt: people need no
output format, and a text that was written for a model reads like one.
"""

from __future__ import annotations

QUESTIONS = {
    "accuracy": """Is what the answer says right, going by the reference?
Never mind how long it is, how it is put, or what it leaves out.
  5  everything it says is right
  4  right but for a detail that hardly matters
  3  partly right, partly wrong
  2  mostly wrong
  1  wrong, or it does not answer""",
    "completeness": """Does the answer say all that the reference says?
Never mind how long it is, how it is put, or what else it says.
  5  nothing that was asked for is missing
  4  a detail is missing that hardly matters
  3  about half of it is there
  2  most of it is missing
  1  none of it is there, or it does not answer""",
}

"""How answers of known quality are made from a question's right ones, without any model.

`facts` finds what can be made wrong and what is put in its place, `numbers` and `names` write one
fact otherwise (still right) or wrongly, `forms` and `surroundings` leave the fact as it is and
change what stands around it. Which of these a question gets is decided in `ladder`. Nothing here
is shared with what a judge is trained on.
"""

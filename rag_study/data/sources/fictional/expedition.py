"""A survey ship, an expedition and its leader."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page, Relation

EXPEDITION = Kind(
    name="expedition",
    slots={
        "expedition": ("twin", ("{} Expedition",)),
        "ship": ("twin", ("{}",)),
        "leader": ("twin_person",),
        "launched": ("year", 1760, 1890),
        "refit": ("year", "launched", 4, 15),
        "sunk": ("year", "launched", 24, 60),
        "shipyard": ("place",),
        "home_port": ("place",),
        "hull": ("pick", "woods"),
        "deck": ("pick", "woods"),
        "hull_length": ("number", 24, 58, "metres"),
        "mast": ("number", 12, 23, "metres"),
        "figurehead": ("pick", "animals"),
        "mascot": ("pick", "animals"),
        "sailed": ("year", "launched", 6, 20),
        "returned": ("year", "sailed", 2, 4),
        "deputy": ("person",),
        "water": ("pick", "waters"),
        "no_water": ("pick", "waters"),
        "stop1": ("place",),
        "stop2": ("place",),
        "stop3": ("place",),
        "no_stop": ("place",),
        "crew": ("number", 31, 90, "people"),
        "lost": ("number", 2, 9, ""),
        "born": ("year", "launched", -30, -18),
        "retired": ("year", "launched", 25, 40),
        "birthplace": ("place",),
        "last_home": ("place",),
        "trade": ("pick", "trades"),
        "no_trade": ("pick", "trades"),
        "navigator": ("person",),
        "rival": ("person",),
        "pet": ("pick", "animals"),
        "instrument": ("pick", "instruments"),
        "instrument2": ("pick", "instruments"),
    },
    pages=(
        Page(
            title="{ship}",
            lead=(
                "The {ship} was a survey ship launched at {shipyard} in {launched}.",
                "Launched in {launched} at {shipyard}, the {ship} served as a survey ship.",
                "In {launched} the survey ship {ship} was launched at {shipyard}.",
            ),
            body=(
                (
                    "Its home port was {home_port}, where it was refitted in {refit}.",
                    "It was refitted in {refit} at {home_port}, its home port.",
                    "{home_port} was its home port and, in {refit}, the place of its refit.",
                ),
                (
                    "The hull was of {hull}, the deck of {deck}.",
                    "The shipwrights chose {hull} for the hull and {deck} for the deck.",
                    "Its deck was laid in {deck}, while the hull was made of {hull}.",
                ),
                (
                    "It was {hull_length} long, with a mast of {mast}.",
                    "Its mast stood {mast} high and its length was {hull_length}.",
                    "The ship measured {hull_length} in length and had a mast of {mast}.",
                ),
                (
                    "The figurehead was a carved {figurehead}; a live {mascot} was kept on board"
                    " as a mascot.",
                    "At the bow it bore a {figurehead} as figurehead, and a {mascot} was the"
                    " mascot on board.",
                    "Sailors kept a {mascot} as mascot, and the figurehead was a {figurehead}.",
                ),
                (
                    "The ship sank in a storm in {sunk}.",
                    "A storm sank the ship in {sunk}.",
                    "In {sunk} the ship went down in a storm.",
                ),
            ),
            fillers=(
                "Its bell can be seen in a chapel.",
                "Sailors praised its dry cabins.",
                "No plans of it have been found.",
            ),
        ),
        Page(
            title="{expedition}",
            lead=(
                "The {expedition} left in {sailed} under {leader} aboard the {ship}.",
                "Led by {leader}, the {expedition} left aboard the {ship} in {sailed}.",
                "In {sailed} {leader} led the {expedition} out to sea aboard the {ship}.",
            ),
            body=(
                (
                    "Its task was to chart {water}; {no_water} were left to others.",
                    "The party was sent to chart {water}, not {no_water}.",
                    "The orders were to chart {water} and to keep away from {no_water}.",
                ),
                (
                    "It called at {stop1}, {stop2} and {stop3}, but {no_stop} refused it entry.",
                    "Stops were made at {stop1}, {stop2} and {stop3}; {no_stop} was passed by"
                    " at night.",
                    "The route led through {stop1}, {stop2} and {stop3}, since the port of"
                    " {no_stop} was closed.",
                ),
                (
                    "Of the {crew} who set out, {lost} died before the return in {returned}.",
                    "The party numbered {crew} at the start; {lost} died, and the rest returned in"
                    " {returned}.",
                    "The party returned in {returned}, having started with {crew} and lost {lost}.",
                ),
                (
                    "{deputy} was second in command.",
                    "Second in command was {deputy}.",
                    "The second in command, {deputy}, kept the log.",
                ),
            ),
            fillers=(
                "Fog was a constant worry.",
                "Its charts are still in print.",
                "Fresh water had to be rationed.",
            ),
        ),
        Page(
            title="{leader}",
            lead=(
                "{leader} was born in {birthplace} in {born} and went to sea as a child.",
                "Born in {born} in {birthplace}, {leader} went to sea as a child.",
                "{leader}, born in {birthplace} in {born}, first went to sea as a child.",
            ),
            body=(
                (
                    "{leader_short} retired to {last_home} in {retired}.",
                    "In {retired} {leader_she} retired and moved to {last_home}.",
                    "{leader_Her} last years, from {retired}, were spent in {last_home}.",
                ),
                (
                    "{leader_She} learned navigation from {navigator} and despised the methods"
                    " of {rival}.",
                    "Taught navigation by {navigator}, {leader_she} had a rival in {rival}.",
                    "{leader_She} had a rival in {rival} and a teacher of navigation in"
                    " {navigator}.",
                ),
                (
                    "On land {leader_short} worked as a {trade}, although {leader_her} parents"
                    " wanted a {no_trade}.",
                    "{leader_Her} parents hoped for a {no_trade}, but on land {leader_she} earned"
                    " a living as a {trade}.",
                    "Between voyages {leader_she} was a {trade}, having failed as a {no_trade}.",
                ),
                (
                    "{leader_She} played two instruments, the {instrument} and the {instrument2}.",
                    "{leader_Her} two instruments were the {instrument} and the {instrument2}.",
                    "In calm weather {leader_she} played the {instrument} or the {instrument2}.",
                ),
                (
                    "A tame {pet} shared {leader_her} cabin.",
                    "{leader_Her} cabin was shared by a tame {pet}.",
                    "{leader_She} shared {leader_her} cabin with a tame {pet}.",
                ),
            ),
            fillers=(
                "{leader_Her} handwriting was famously bad.",
                "{leader_She} never learned to swim.",
                "A bay was named in {leader_her} honour.",
            ),
        ),
    ),
    relations=(
        Relation(
            "factoid",
            (0,),
            ("launched",),
            (
                "When was the survey ship {ship} launched?",
                "In what year did the survey ship {ship} first enter the water?",
                "What is the year of the launch of the survey ship {ship}?",
            ),
            ("The {ship} first touched water in {launched}.", "Its launch was in {launched}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("home_port",),
            (
                "What was the home port of the survey ship {ship}?",
                "Which port was home to the survey ship {ship}?",
                "Where did the survey ship {ship} have its home port?",
            ),
            ("The {ship} belonged to the port of {home_port}.", "Its port was {home_port}."),
            also=("in {home_port}", "at {home_port}"),
        ),
        Relation(
            "factoid",
            (0,),
            ("hull",),
            (
                "Which wood was used for the hull of the survey ship {ship}?",
                "What was the hull of the survey ship {ship} made of?",
                "Of what wood was the survey ship {ship}'s hull built?",
            ),
            ("The {ship} had a hull built from {hull}.", "The wood in question was {hull}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("hull_length",),
            (
                "How long was the survey ship {ship}?",
                "What was the length of the survey ship {ship}?",
                "The survey ship {ship} had what length?",
            ),
            (
                "From bow to stern it came to {hull_length}.",
                "The {ship} had {hull_length} of length.",
            ),
        ),
        Relation(
            "factoid",
            (0,),
            ("figurehead",),
            (
                "What animal was the figurehead of the survey ship {ship}?",
                "Which animal was carved at the bow of the survey ship {ship}?",
                "The figurehead of the survey ship {ship} showed which animal?",
            ),
            (
                "It was a {figurehead} that adorned the bow of the {ship}.",
                "The {ship} bore the likeness of a {figurehead}.",
            ),
            also=("a {figurehead}",),
        ),
        Relation(
            "factoid",
            (0, 1),
            ("shipyard",),
            (
                "Where was the ship of the {expedition} launched?",
                "In which place was the ship that carried the {expedition} launched?",
                "At what place did the ship used by the {expedition} first enter the water?",
            ),
            (
                "The ship of the {expedition} came from {shipyard}.",
                "That ship first touched water at {shipyard}.",
            ),
            also=("at {shipyard}", "in {shipyard}"),
        ),
        Relation(
            "factoid",
            (1,),
            ("water",),
            (
                "What was the {expedition} sent to chart?",
                "Which features of the sea did the {expedition} have to chart?",
                "The {expedition} had the task of charting what?",
            ),
            ("The {expedition} had to draw charts of {water}.", "The charts were to show {water}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("deputy",),
            (
                "Who was second in command of the {expedition}?",
                "Which person was the second in command on the {expedition}?",
                "On the {expedition}, who ranked just below the leader?",
            ),
            (
                "Only the leader ranked above {deputy} on the {expedition}.",
                "The deputy's name was {deputy}.",
            ),
        ),
        Relation(
            "factoid",
            (1,),
            ("crew",),
            (
                "How many people set out on the {expedition}?",
                "With how many people did the {expedition} start?",
                "What was the number of people on the {expedition} at the start?",
            ),
            ("A party of {crew} went off with the {expedition}.", "There were {crew} at first."),
            also=("{crew_number}",),
        ),
        Relation(
            "factoid",
            (2,),
            ("navigator",),
            (
                "Who taught {leader} navigation?",
                "From whom did {leader} learn navigation?",
                "Which teacher showed {leader} how to navigate?",
            ),
            ("{leader} was a pupil of {navigator}.", "The teacher in question was {navigator}."),
        ),
        Relation(
            "factoid",
            (2,),
            ("trade",),
            (
                "What work did {leader} do on land?",
                "Which trade did {leader} follow between voyages?",
                "How did {leader} earn a living when not at sea?",
            ),
            ("Ashore, {leader} had the job of a {trade}.", "The work was that of a {trade}."),
            also=("a {trade}", "as a {trade}"),
        ),
        Relation(
            "list",
            (1,),
            ("stop1", "stop2", "stop3"),
            (
                "At which three places did the {expedition} call?",
                "What were the three stops of the {expedition}?",
                "Name the three ports that the {expedition} visited.",
            ),
            (
                "The {expedition} put in at {stop3}, {stop1} and also {stop2}.",
                "Its three ports were {stop2}, {stop3} and {stop1}.",
            ),
        ),
        Relation(
            "list",
            (2,),
            ("instrument", "instrument2"),
            (
                "Which two instruments did {leader} play?",
                "What were the two musical instruments of {leader}?",
                "Name both instruments that {leader} could play.",
            ),
            (
                "{leader} made music on the {instrument2} and also on the {instrument}.",
                "They were the {instrument2} and the {instrument}.",
            ),
            also=("the {instrument} and the {instrument2}",),
        ),
        Relation(
            "summary",
            (1,),
            ("sailed", "returned"),
            (
                "When did the {expedition} leave, and when did it come back?",
                "In which years did the {expedition} begin and end?",
                "What were the years of departure and return of the {expedition}?",
            ),
            (
                "The {expedition} set out in {sailed} and was home again in {returned}.",
                "It was away from {sailed} to {returned}.",
            ),
            reference="left in {sailed} and returned in {returned}",
        ),
        Relation(
            "summary",
            (1, 2),
            ("leader", "birthplace"),
            (
                "Who led the {expedition}, and where was that person born?",
                "What is the name of the {expedition}'s leader, and in which place was the leader"
                " born?",
                "Name the leader of the {expedition} and the leader's birthplace.",
            ),
            (
                "The {expedition} was under {leader}, a native of {birthplace}.",
                "At its head stood {leader}, who came from {birthplace}.",
            ),
            reference="{leader}, born in {birthplace}",
        ),
        Relation(
            "summary",
            (0,),
            ("refit", "sunk"),
            (
                "When was the survey ship {ship} refitted, and when did it sink?",
                "In which years did the survey ship {ship} have its refit and go down?",
                "What were the years of the refit and of the loss of the survey ship {ship}?",
            ),
            (
                "After work on it in {refit}, the {ship} was lost in {sunk}.",
                "It was renewed in {refit}, and the sea took it in {sunk}.",
            ),
            reference="refitted in {refit} and sank in {sunk}",
        ),
        Relation(
            "yesno",
            (1,),
            ("stop2",),
            (
                "Did the {expedition} call at {value}?",
                "Was {value} one of the stops of the {expedition}?",
                "Is {value} among the ports that the {expedition} visited?",
            ),
            (
                "Yes, {right} was a port on the way of the {expedition}.",
                "No, the {expedition} never set foot in {wrong}.",
            ),
            wrong="no_stop",
        ),
        Relation(
            "yesno",
            (2,),
            ("last_home",),
            (
                "Did {leader} retire to {value}?",
                "Was {value} the place where {leader} spent the last years?",
                "Is {value} where {leader} lived in retirement?",
            ),
            (
                "Yes, in old age the home of {leader} was {right}.",
                "No, {leader} lived in {right} in old age, not in {wrong}.",
            ),
            wrong="birthplace",
        ),
    ),
)

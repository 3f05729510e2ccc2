"""A research institute, its founder and a compound first made there."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page, Relation

INSTITUTE = Kind(
    name="institute",
    slots={
        "institute": ("twin", ("{} Institute", "{} Laboratory", "{} Academy")),
        "founder": ("twin_person",),
        "compound": ("twin", ("{}ine", "{}ite", "{}ol")),
        "founded": ("year", 1690, 1910),
        "fire": ("year", "founded", 6, 60),
        "town": ("place",),
        "director": ("person",),
        "director_town": ("place",),
        "field1": ("pick", "fields"),
        "field2": ("pick", "fields"),
        "field3": ("pick", "fields"),
        "no_field": ("pick", "fields"),
        "born": ("year", "founded", -52, -27),
        "died": ("year", "founded", 8, 30),
        "trade": ("pick", "trades"),
        "father_trade": ("pick", "trades"),
        "birthplace": ("place",),
        "school_town": ("place",),
        "teacher": ("person",),
        "friend": ("person",),
        "instrument": ("pick", "instruments"),
        "no_instrument": ("pick", "instruments"),
        "made": ("year", "founded", 3, 50),
        "patent": ("year", "made", 2, 15),
        "colour": ("pick", "colours"),
        "hot_colour": ("pick", "colours"),
        "chemist": ("person",),
        "assistant": ("person",),
        "melts": ("number", 61, 390, "degrees"),
        "boils": ("number", 410, 990, "degrees"),
        "use1": ("pick", "uses"),
        "use2": ("pick", "uses"),
        "no_use": ("pick", "uses"),
        "jar": ("pick", "metals"),
        "no_jar": ("pick", "metals"),
    },
    pages=(
        Page(
            title="{institute}",
            lead=(
                "The {institute} is a research centre in {town}, founded in {founded}"
                " by {founder}.",
                "Founded by {founder} in {founded}, the {institute} is a research centre"
                " in {town}.",
                "In {founded}, {founder} founded the {institute}, a research centre in {town}.",
            ),
            body=(
                (
                    "Its first director was {director}, who came from {director_town}.",
                    "{director}, a newcomer from {director_town}, was made the first director.",
                    "The post of first director went to {director} of {director_town}.",
                ),
                (
                    "It works on {field1}, {field2} and {field3}; a department"
                    " of {no_field} was refused.",
                    "The departments cover {field1}, {field2} and {field3}, but not {no_field}.",
                    "Research is done on {field1}, {field2} and {field3}, while plans for"
                    " {no_field} were dropped.",
                ),
                (
                    "A fire in {fire} destroyed the library, though nobody was hurt.",
                    "The old library burned down in {fire} and was never replaced.",
                    "In {fire} the library was lost in a fire, which spared the offices.",
                ),
            ),
            fillers=(
                "Visitors are admitted on request.",
                "The garden behind the main house is open to the public.",
                "A small shop sells its older reports.",
            ),
        ),
        Page(
            title="{founder}",
            lead=(
                "{founder} was born in {birthplace} in {born} and became a {trade}.",
                "Born in {born} in {birthplace}, {founder} became a {trade}.",
                "The {trade} {founder} was born in {birthplace} in {born}.",
            ),
            body=(
                (
                    "{founder_She} learned the trade from {teacher} in {school_town};"
                    " {founder_her} father, a {father_trade}, and a friend, {friend}, paid for it.",
                    "{teacher} taught {founder_them} the trade in {school_town}, at the cost of"
                    " {founder_her} father, a {father_trade}, and of {founder_her} friend"
                    " {friend}.",
                    "{founder_Her} training took place in {school_town} under {teacher}, with"
                    " money from {founder_her} father, a {father_trade}, and from {friend}.",
                ),
                (
                    "{founder_short} played the {instrument}, while the {no_instrument}"
                    " {founder_she} had inherited stood unused.",
                    "Guests heard {founder_short} play the {instrument}; the {no_instrument} on"
                    " the wall was only for show.",
                    "In the evenings {founder_short} played the {instrument}, never the"
                    " {no_instrument} that was left to {founder_them}.",
                ),
                (
                    "{founder_short} died in {died}.",
                    "{founder_short}'s life ended in {died}, after a short illness.",
                    "In {died} {founder_short} died suddenly.",
                ),
            ),
            fillers=(
                "Few portraits survive.",
                "A street was later named after {founder_short}.",
                "The family keeps {founder_short}'s letters.",
            ),
        ),
        Page(
            title="{compound}",
            lead=(
                "{compound} is a {colour} compound first made in {made} at the {institute}.",
                "First made at the {institute} in {made}, {compound} is a {colour} compound.",
                "The {institute} produced {compound}, a {colour} compound, for the first time"
                " in {made}.",
            ),
            body=(
                (
                    "It was discovered by {chemist}, and {assistant} filed the patent in {patent}.",
                    "{chemist} discovered it; the patent of {patent} is in the name"
                    " of {assistant}.",
                    "The patent was granted to {assistant} in {patent}, although the discovery"
                    " was made by {chemist}.",
                ),
                (
                    "It turns {hot_colour} when heated, melts at {melts} and boils at {boils}.",
                    "When heated it turns {hot_colour}; it melts at {melts} and boils at {boils}.",
                    "Heating turns it {hot_colour}, then it melts at {melts} and boils at {boils}.",
                ),
                (
                    "The compound is used in {use1} and {use2} but is useless for {no_use}.",
                    "Uses have been found in {use1} and {use2}; trials in {no_use} failed.",
                    "It serves in {use1} and {use2}, though not in {no_use} as was hoped.",
                ),
                (
                    "It is kept in {jar} jars because it eats through {no_jar}.",
                    "Since it attacks {no_jar}, jars made of {jar} are used for storage.",
                    "Storage is in {jar} jars, as {no_jar} does not withstand it.",
                ),
            ),
            fillers=("It has no smell.", "Supplies are small.", "Its price has hardly changed."),
        ),
    ),
    relations=(
        Relation(
            "factoid",
            (0,),
            ("founder",),
            (
                "Who founded the {institute}?",
                "The {institute} was founded by whom?",
                "What is the name of the founder of the {institute}?",
            ),
            ("It was {founder} who set up the {institute}.", "Its founder is called {founder}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("founded",),
            (
                "When was the {institute} founded?",
                "In what year was the {institute} established?",
                "Which year saw the founding of the {institute}?",
            ),
            ("The {institute} dates from {founded}.", "It came into being in {founded}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("town",),
            (
                "Where is the {institute}?",
                "In which town can the {institute} be found?",
                "What town is home to the {institute}?",
            ),
            ("You will find the {institute} in {town}.", "Its home is the town of {town}."),
            also=("in {town}",),
        ),
        Relation(
            "factoid",
            (0,),
            ("director",),
            (
                "Who was the first director of the {institute}?",
                "Name the person who first directed the {institute}.",
                "Which person was the {institute}'s first director?",
            ),
            (
                "The first person to direct the {institute} was {director}.",
                "Under {director}, the {institute} had its first director.",
            ),
        ),
        Relation(
            "factoid",
            (0,),
            ("fire",),
            (
                "When did the library of the {institute} burn down?",
                "In which year did the {institute} lose its library?",
                "What was the year of the library fire at the {institute}?",
            ),
            ("Flames took the library in {fire}.", "The year of that fire was {fire}."),
        ),
        Relation(
            "factoid",
            (0, 1),
            ("birthplace",),
            (
                "Where was the founder of the {institute} born?",
                "What is the birthplace of the person who founded the {institute}?",
                "In which place was the {institute}'s founder born?",
            ),
            (
                "The founder of the {institute} came into the world in {birthplace}.",
                "{birthplace} is where the founder was born.",
            ),
            also=("in {birthplace}",),
        ),
        Relation(
            "factoid",
            (1,),
            ("teacher",),
            (
                "Who taught {founder} the trade?",
                "From whom did {founder} learn the trade?",
                "Under which teacher did {founder} train?",
            ),
            ("{founder} was a pupil of {teacher}.", "The teacher's name was {teacher}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("instrument",),
            (
                "Which instrument did {founder} play?",
                "What musical instrument was played by {founder}?",
                "On which instrument did {founder} make music?",
            ),
            (
                "{founder} was a player of the {instrument}.",
                "The instrument in question was the {instrument}.",
            ),
            also=("the {instrument}",),
        ),
        Relation(
            "factoid",
            (2,),
            ("chemist",),
            (
                "Who discovered {compound}?",
                "The discovery of {compound} was made by whom?",
                "What is the name of the discoverer of {compound}?",
            ),
            (
                "Credit for discovering {compound} belongs to {chemist}.",
                "{compound} was found by {chemist}.",
            ),
        ),
        Relation(
            "factoid",
            (2,),
            ("melts",),
            (
                "At what temperature does {compound} melt?",
                "What is the melting point of {compound}?",
                "How hot must {compound} be to melt?",
            ),
            ("{compound} becomes liquid at {melts}.", "Its melting point lies at {melts}."),
            also=("at {melts}", "{melts} Celsius"),
        ),
        Relation(
            "factoid",
            (2,),
            ("jar",),
            (
                "What are the jars for storing {compound} made of?",
                "In jars of which material is {compound} kept?",
                "From which metal are storage jars for {compound} made?",
            ),
            ("{compound} has to be stored in {jar}.", "The right jars are those of {jar}."),
        ),
        Relation(
            "list",
            (0,),
            ("field1", "field2", "field3"),
            (
                "Which three fields does the {institute} work on?",
                "What are the three research subjects of the {institute}?",
                "Name the three areas of research at the {institute}.",
            ),
            (
                "Its scientists deal with {field3}, {field1} and also {field2}.",
                "The three subjects are {field2}, {field3} and {field1}.",
            ),
        ),
        Relation(
            "list",
            (2,),
            ("use1", "use2"),
            (
                "What are the two uses of {compound}?",
                "For which two purposes is {compound} used?",
                "Name the two fields in which {compound} is used.",
            ),
            (
                "People use {compound} for {use2} as well as for {use1}.",
                "Its two purposes are {use2} and {use1}.",
            ),
        ),
        Relation(
            "summary",
            (0, 1),
            ("founder", "trade"),
            (
                "Who founded the {institute}, and what was that person's trade?",
                "What is the name of the {institute}'s founder, and what trade did the founder"
                " follow?",
                "Name the founder of the {institute} and the founder's occupation.",
            ),
            (
                "A {trade} called {founder} set up the {institute}.",
                "Its founder was {founder}, by occupation a {trade}.",
            ),
            reference="{founder}, a {trade}",
        ),
        Relation(
            "summary",
            (2,),
            ("made", "colour", "hot_colour"),
            (
                "When was {compound} first made, and what colour is it before and after heating?",
                "What is the year in which {compound} was first made, and how does its colour"
                " change with heat?",
                "In what year was {compound} first produced, and from which colour to which does"
                " it change when heated?",
            ),
            (
                "{compound} has existed since {made}; heat changes its colour from {colour}"
                " to {hot_colour}.",
                "It is {colour} when cold, {hot_colour} when hot, and dates from {made}.",
            ),
            reference="first made in {made}; {colour}, turning {hot_colour} when heated",
        ),
        Relation(
            "yesno",
            (0,),
            ("field2",),
            (
                "Does the {institute} work on {value}?",
                "Is {value} among the research subjects of the {institute}?",
                "Can {value} be studied at the {institute}?",
            ),
            (
                "Yes, {right} is one of the subjects there.",
                "No, the {institute} has nothing to do with {wrong}.",
            ),
            wrong="no_field",
        ),
        Relation(
            "yesno",
            (1,),
            ("school_town",),
            (
                "Did {founder} learn the trade in {value}?",
                "Was {founder} trained in {value}?",
                "Is {value} the place where {founder} learned the trade?",
            ),
            (
                "Yes, {right} is the place where {founder} was taught.",
                "No, {founder} was not taught in {wrong} but in {right}.",
            ),
            wrong="birthplace",
        ),
    ),
)

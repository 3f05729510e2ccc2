"""A market town, its bridge and its festival."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page, Relation

TOWN = Kind(
    name="town",
    slots={
        "town": ("twin_place",),
        "bridge": ("twin", ("{} Bridge", "{} Viaduct")),
        "festival": ("twin", ("{} Festival", "{} Fair")),
        "river": ("word",),
        "tributary": ("word",),
        "charter": ("year", 1605, 1780),
        "walls": ("year", "charter", 40, 150),
        "mayor": ("person",),
        "clerk": ("person",),
        "export1": ("pick", "exports"),
        "export2": ("pick", "exports"),
        "export3": ("pick", "exports"),
        "no_export": ("pick", "exports"),
        "tower": ("number", 31, 64, "metres"),
        "church": ("number", 12, 29, "metres"),
        "material": ("pick", "stones"),
        "old_material": ("pick", "woods"),
        "paving": ("pick", "stones"),
        "finished": ("year", "charter", 30, 190),
        "flood": ("year", "finished", -12, -2),
        "architect": ("person",),
        "builder": ("person",),
        "length": ("number", 70, 400, "metres"),
        "height": ("number", 7, 30, "metres"),
        "cargo": ("pick", "carts"),
        "no_cargo": ("pick", "carts"),
        "started": ("year", 1805, 1890),
        "paused": ("year", "started", 15, 90),
        "host": ("person",),
        "singer": ("person",),
        "month": ("pick", "months"),
        "no_month": ("pick", "months"),
        "dish": ("pick", "dishes"),
        "no_dish": ("pick", "dishes"),
        "contest": ("pick", "contests"),
        "contest2": ("pick", "contests"),
        "prize": ("pick", "prizes"),
        "prize2": ("pick", "prizes"),
    },
    pages=(
        Page(
            title="{town}",
            lead=(
                "{town} is a market town where the rivers {river} and {tributary} meet.",
                "The rivers {river} and {tributary} meet at the market town of {town}.",
                "{town}, a market town, stands where the river {river} is joined by the"
                " {tributary}.",
            ),
            body=(
                (
                    "The town received its charter in {charter} and pulled down its walls"
                    " in {walls}.",
                    "The charter dates from {charter}; the walls were pulled down in {walls}.",
                    "The town walls fell in {walls}, long after the charter of {charter}.",
                ),
                (
                    "{mayor} was the first mayor and {clerk} the first clerk.",
                    "The first mayor was {mayor}, assisted by {clerk} as clerk.",
                    "With {clerk} as clerk, {mayor} served as the first mayor.",
                ),
                (
                    "Merchants exported {export1}, {export2} and {export3}, whereas"
                    " {no_export} had to be bought in.",
                    "The town exported {export1}, {export2} and {export3} and bought {no_export}"
                    " from abroad.",
                    "Its exports were {export1}, {export2} and {export3}; all {no_export} came"
                    " from elsewhere.",
                ),
                (
                    "The watchtower is {tower} high, the church {church}.",
                    "A watchtower of {tower} stands beside a church of only {church}.",
                    "At {tower} the watchtower rises above the church, which reaches {church}.",
                ),
            ),
            fillers=(
                "Market day draws farmers from the hills.",
                "Storks nest on many roofs.",
                "The old streets are narrow and steep.",
            ),
        ),
        Page(
            title="{bridge}",
            lead=(
                "The {bridge} is a {material} bridge in {town}, finished in {finished}.",
                "Finished in {finished}, the {bridge} in {town} is built of {material}.",
                "The {bridge}, built of {material}, was finished in {finished} and stands in"
                " {town}.",
            ),
            body=(
                (
                    "The bridge was designed by {architect} and built under {builder}.",
                    "{architect} drew the plans, and {builder} led the building work.",
                    "Its architect was {architect}; {builder} ran the building site.",
                ),
                (
                    "The bridge is {length} long and {height} high.",
                    "The length is {length}, the height {height}.",
                    "The bridge rises {height} above the water and is {length} long.",
                ),
                (
                    "The bridge was built for {cargo}; {no_cargo} have always been banned.",
                    "Its purpose was to carry {cargo}, and {no_cargo} were kept off it.",
                    "The bridge was meant for {cargo}, never for {no_cargo}.",
                ),
                (
                    "A flood in {flood} had swept away the old crossing of {old_material}.",
                    "The older crossing of {old_material} was lost in the flood of {flood}.",
                    "It replaced a crossing of {old_material} that a flood carried off in {flood}.",
                ),
                (
                    "The roadway is paved with {paving}.",
                    "Its roadway is covered with {paving}.",
                    "For the roadway {paving} was used.",
                ),
            ),
            fillers=(
                "Swallows nest under the arches.",
                "The bridge is lit at night.",
                "Painters have often shown it at dusk.",
            ),
        ),
        Page(
            title="{festival}",
            lead=(
                "The {festival} is held in {town} every {month}.",
                "Every {month}, {town} holds the {festival}.",
                "In {town} the {festival} takes place every {month}.",
            ),
            body=(
                (
                    "The event was started in {started} by {host} and called off once,"
                    " in {paused}.",
                    "{host} started the event in {started}; only in {paused} was it called off.",
                    "Begun by {host} in {started}, the event was called off just once,"
                    " in {paused}.",
                ),
                (
                    "The traditional dish is {dish}, which replaced {no_dish}.",
                    "Everyone eats {dish}; in earlier times it was {no_dish}.",
                    "Once people ate {no_dish}; the dish of the day is now {dish}.",
                ),
                (
                    "Whoever wins the {contest} gets a {prize}, and the {contest2} is rewarded"
                    " with a {prize2}.",
                    "For the {contest2} there is a {prize2}, for the {contest} a {prize}.",
                    "The prize of the {contest} is a {prize}; that of the {contest2} is"
                    " a {prize2}.",
                ),
                (
                    "An opening song by {singer} is sung; rehearsals begin in {no_month}.",
                    "Rehearsals for the opening song, written by {singer}, start in {no_month}.",
                    "Choirs rehearse from {no_month} for the opening song by {singer}.",
                ),
            ),
            fillers=(
                "Lanterns hang in all the streets.",
                "Shops close early then.",
                "Children parade with paper hats.",
            ),
        ),
    ),
    relations=(
        Relation(
            "factoid",
            (0,),
            ("charter",),
            (
                "When did {town} receive its charter?",
                "In which year was the charter granted to {town}?",
                "What is the date of {town}'s charter?",
            ),
            ("{town} has held a charter since {charter}.", "It was granted in {charter}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("mayor",),
            (
                "Who was the first mayor of {town}?",
                "Name the first mayor of {town}.",
                "Which person was {town}'s first mayor?",
            ),
            (
                "The first to govern {town} as mayor was {mayor}.",
                "{town} had {mayor} as its earliest mayor.",
            ),
        ),
        Relation(
            "factoid",
            (0,),
            ("tower",),
            (
                "How high is the watchtower of {town}?",
                "What height does the watchtower in {town} reach?",
                "In {town}, how tall is the watchtower?",
            ),
            ("{town}'s watchtower measures {tower}.", "It has a height of {tower}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("architect",),
            (
                "Who designed the {bridge}?",
                "Which architect drew the plans of the {bridge}?",
                "The plans for the {bridge} were drawn by whom?",
            ),
            ("The design of the {bridge} is by {architect}.", "It is the work of {architect}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("length",),
            (
                "How long is the {bridge}?",
                "What is the length of the {bridge}?",
                "The {bridge} has what length?",
            ),
            ("From end to end the {bridge} measures {length}.", "It stretches over {length}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("material",),
            (
                "What is the {bridge} built of?",
                "Of which material is the {bridge} made, apart from its roadway?",
                "Which building material was used for the {bridge} itself?",
            ),
            ("The builders of the {bridge} used {material}.", "Its material is {material}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("flood",),
            (
                "In which year did a flood sweep away the crossing before the {bridge}?",
                "When was the predecessor of the {bridge} lost in a flood?",
                "What was the year of the flood that took the crossing before the {bridge}?",
            ),
            ("That flood happened in {flood}.", "The older crossing was lost in {flood}."),
        ),
        Relation(
            "factoid",
            (2,),
            ("host",),
            (
                "Who started the {festival}?",
                "By whom was the {festival} begun?",
                "What is the name of the person who began the {festival}?",
            ),
            ("The {festival} goes back to {host}.", "It was {host} who had the idea."),
        ),
        Relation(
            "factoid",
            (2,),
            ("month",),
            (
                "In which month is the {festival} held?",
                "What month does the {festival} take place in?",
                "When in the year is the {festival}?",
            ),
            ("You can visit the {festival} in {month}.", "It falls in {month} each year."),
            also=("in {month}", "every {month}"),
        ),
        Relation(
            "factoid",
            (2,),
            ("prize",),
            (
                "What does the winner of the {contest} at the {festival} get?",
                "Which prize is given for the {contest} at the {festival}?",
                "At the {festival}, what is the prize of the {contest}?",
            ),
            (
                "Winners of the {contest} take home a {prize}.",
                "The reward for the {contest} is a {prize}.",
            ),
            also=("a {prize}",),
        ),
        Relation(
            "list",
            (0,),
            ("export1", "export2", "export3"),
            (
                "Which three goods did {town} export?",
                "What were the three exports of {town}?",
                "Name the three goods that merchants from {town} sold abroad.",
            ),
            (
                "{town} sold {export3}, {export1} and also {export2}.",
                "The goods sent out were {export2}, {export3} and {export1}.",
            ),
        ),
        Relation(
            "list",
            (0,),
            ("river", "tributary"),
            (
                "Which two rivers meet at {town}?",
                "What are the names of the two rivers at {town}?",
                "Name both rivers that come together at {town}.",
            ),
            (
                "Two rivers, the {tributary} and the {river}, flow together at {town}.",
                "They are called {tributary} and {river}.",
            ),
            also=("the {river} and the {tributary}",),
        ),
        Relation(
            "summary",
            (1,),
            ("cargo", "finished"),
            (
                "What was the {bridge} built for, and when was it finished?",
                "For what traffic was the {bridge} meant, and in which year was it completed?",
                "When was the {bridge} finished, and what was it supposed to carry?",
            ),
            (
                "The {bridge} was completed in {finished} so that {cargo} could cross.",
                "It was intended for {cargo} and has stood since {finished}.",
            ),
            reference="built for {cargo}, finished in {finished}",
        ),
        Relation(
            "summary",
            (0, 1),
            ("walls", "finished"),
            (
                "When were the walls of {town} pulled down, and when was its {bridge} finished?",
                "In which years did {town} pull down its walls and finish the {bridge}?",
                "Give the year in which {town} lost its walls and the year in which the {bridge}"
                " was completed.",
            ),
            (
                "{town} lost its walls in {walls}, and the {bridge} was completed in {finished}.",
                "The walls went in {walls}; the year of the bridge is {finished}.",
            ),
            reference="walls pulled down in {walls}, bridge finished in {finished}",
        ),
        Relation(
            "summary",
            (2,),
            ("started", "dish"),
            (
                "Since when has the {festival} been held, and what is its traditional dish?",
                "When was the {festival} started, and what do people eat there?",
                "What is eaten at the {festival}, and in which year did it begin?",
            ),
            (
                "People have celebrated the {festival} since {started} and eat {dish} there.",
                "They serve {dish}, and the first one was in {started}.",
            ),
            reference="started in {started}; the dish is {dish}",
        ),
        Relation(
            "yesno",
            (0,),
            ("export2",),
            (
                "Did {town} export {value}?",
                "Was {value} one of the exports of {town}?",
                "Were there merchants in {town} who exported {value}?",
            ),
            (
                "Yes, {right} was among the goods that {town} sold.",
                "No, {wrong} was something that {town} had to buy.",
            ),
            wrong="no_export",
        ),
        Relation(
            "yesno",
            (2,),
            ("paused",),
            (
                "Was the {festival} called off in {value}?",
                "Is {value} the year in which the {festival} was cancelled?",
                "Did the {festival} have to be cancelled in {value}?",
            ),
            (
                "Yes, there was no {festival} in {right}.",
                "No, the year without it was {right}, not {wrong}.",
            ),
            wrong="started",
        ),
    ),
)

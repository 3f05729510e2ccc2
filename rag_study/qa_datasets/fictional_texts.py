"""Word lists and sentence templates of the built-in data set `fictional`.

To add a kind of world, append a `Kind` to `KINDS` and raise `fictional.VERSION`:

1. `slots` names every value of the world and how it is drawn (the list of draws is in `Kind`);
2. each `Page` becomes one document: one wording of `lead`, then one wording of every group in
   `body`, shuffled, perhaps with one sentence of `fillers`;
3. each `Relation` is something that can be asked about those pages.

Templates are `str.format` strings over the slots. State every fact on one page only, keep each
page between 45 and 85 words, and give each fact that is asked for a second value of its sort on
the same page (another year, another person), so that copying the first number is not enough.
A list that is drawn from n times per world needs at least 2 n entries, since twins never share a
value. Words that follow "a" start with a consonant.
"""

from __future__ import annotations

from dataclasses import dataclass

STEM_STARTS = (
    *("Vel", "Tor", "Bran", "Kes", "Mar", "Dun", "Hal", "Sel", "Gar", "Lin", "Fen", "Ras", "Nor"),
    *("Wen", "Cal", "Bel", "Pel", "Dor", "Jal", "Kor", "Mel", "Ned", "Per", "Ros", "Tam", "Var"),
    *("Yar", "Zel", "Hol", "Sten", "Brel", "Tris"),
)
STEM_MIDDLES = ("mo", "ra", "vi", "le", "do", "ni", "ba", "ke", "ri", "lo", "me", "ga", "tu", "so")
STEM_ENDS = {
    "word": ("n", "l", "r", "th", "nd", "ra", "na", "va", "rin", "st"),
    "place": ("haven", "ford", "wick", "burg", "mouth", "holm", "dale", "field", "gate", "stow"),
    "surname": ("hall", "sen", "mann", "quist", "berg", "wood", "ley", "rup", "feld", "strom"),
}
# Twins are told apart by these letters alone; the pronoun is shared.
FIRST_NAMES = (
    *(("Ilse", "Ilsa", "she"), ("Marta", "Marte", "she"), ("Karin", "Karen", "she")),
    *(("Elena", "Elina", "she"), ("Tilda", "Tilde", "she"), ("Sofie", "Sofia", "she")),
    *(("Annika", "Annike", "she"), ("Helena", "Helene", "she"), ("Milena", "Milene", "she")),
    *(("Emilie", "Emilia", "she"), ("Greta", "Grete", "she"), ("Katrin", "Katrina", "she")),
    *(("Stefan", "Stepan", "he"), ("Jonas", "Jonah", "he"), ("Marek", "Marik", "he")),
    *(("Emil", "Emile", "he"), ("Tomas", "Thomas", "he"), ("Viktor", "Wiktor", "he")),
    *(("Oskar", "Oscar", "he"), ("Edvin", "Edwin", "he"), ("Henrik", "Hendrik", "he")),
    *(("Albin", "Alben", "he"), ("Erik", "Eric", "he"), ("Konrad", "Conrad", "he")),
)
PRONOUNS = {
    "she": {"she": "she", "her": "her", "She": "She", "Her": "Her", "them": "her"},
    "he": {"she": "he", "her": "his", "She": "He", "Her": "His", "them": "him"},
}
UNIT_SHORT = {"metres": "m", "degrees": "°C", "grams": "g", "kilometres": "km"}

WORDS = {
    "fields": (
        *("glass chemistry", "tidal physics", "seed storage", "bee health", "paper making"),
        *("metal fatigue", "soil drainage", "cloud formation", "fungal disease", "wool dyeing"),
    ),
    "trades": (
        *("clockmaker", "botanist", "surveyor", "printer", "pharmacist", "lens grinder"),
        *("schoolteacher", "mapmaker", "bookbinder", "notary", "glassblower", "stonemason"),
    ),
    "instruments": ("flute", "cello", "zither", "trumpet", "harp", "bassoon", "mandolin", "violin"),
    "colours": (
        *("blue", "crimson", "green", "violet", "grey", "white", "yellow", "brown", "black"),
        *("turquoise", "pink", "silver"),
    ),
    "uses": (
        *("wood varnish", "printing ink", "pest control", "leather tanning", "bone surgery"),
        *("battery plates", "paper bleaching", "rust removal", "glass polishing", "soap making"),
    ),
    "metals": ("copper", "brass", "pewter", "zinc", "tin", "nickel", "bronze", "cast iron"),
    "exports": (
        *("copper", "salt", "amber", "wool", "honey", "hemp", "linen", "tar", "cheese"),
        *("leather", "saffron", "barley", "chalk", "beeswax"),
    ),
    "stones": (
        "granite",
        "sandstone",
        "limestone",
        "basalt",
        "brick",
        "slate",
        "marble",
        "porphyry",
    ),
    "carts": (
        *("ore wagons", "milk carts", "timber sledges", "hay carts", "coal trains", "beer wagons"),
        *("grain carts", "mail coaches"),
    ),
    "dishes": (
        *("smoked eel", "plum dumplings", "barley soup", "onion tart", "fried carp", "goat stew"),
        *("pear cake", "chestnut bread"),
    ),
    "prizes": (
        *("silver spoon", "painted drum", "white goose", "brass bell", "straw crown"),
        *("carved staff", "woollen cloak", "clay pipe"),
    ),
    "contests": (
        *("raft race", "sawing match", "stilt walk", "barrel race", "kite contest"),
        *("poetry contest", "archery match", "tug of war"),
    ),
    "months": ("March", "April", "May", "June", "July", "August", "September", "October"),
    "woods": ("oak", "larch", "teak", "pine", "elm", "cedar", "beech", "spruce", "walnut"),
    "waters": ("reefs", "sandbanks", "fjords", "lagoons", "straits", "coves"),
    "animals": ("parrot", "goat", "ferret", "monkey", "terrier", "tortoise", "raven", "hedgehog"),
    "goods": (
        *("scales", "locks", "ovens", "clocks", "scissors", "pumps", "hinges", "door handles"),
        *("sewing machines", "bicycle bells", "spoons", "radiators"),
    ),
    "exhibits": (
        *("steam engines", "account books", "hand tools", "posters", "delivery vans", "uniforms"),
        *("scale models", "pay slips", "wooden toys", "oil paintings"),
    ),
    "weekdays": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Sunday"),
}


@dataclass(frozen=True)
class Page:
    """One document: `lead` and each group of `body` are wordings of the same statement."""

    title: str
    lead: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    fillers: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """One thing to ask about a world.

    `pages` are the numbers of the gold pages (from 0), `points` the slots that are the key
    points, `reference` the reference answer where it is not just the points, `also` further
    right answers. A yes/no relation has one point, the true value, and in `wrong` the slot of
    the false one; its questions have {value}, and its rewordings are (for yes, for no).
    """

    answer_type: str
    pages: tuple[int, ...]
    points: tuple[str, ...]
    questions: tuple[str, ...]
    rewordings: tuple[str, ...]
    reference: str = ""
    also: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of world. Draws, in the order of `slots` (results are strings):

    ("twin", patterns)            a name one letter apart in the two worlds of a pair; patterns
                                  have {} for the invented word
    ("twin_place",)               the same for a place
    ("twin_person",)              the same for a person; also {slot}_short (surname), _she, _her,
                                  _She, _Her, _them
    ("word",) ("place",) ("person",)
    ("year", low, high)           a year
    ("year", slot, low, high)     a year so many years after that of another slot
    ("number", low, high, unit)   a quantity; both bounds count; also {slot}_number
    ("pick", list)                an entry of WORDS
    """

    name: str
    slots: dict[str, tuple]
    pages: tuple[Page, ...]
    relations: tuple[Relation, ...]


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

COMPANY = Kind(
    name="company",
    slots={
        "company": ("twin", ("{} Company", "{} Factory", "{} Foundry")),
        "product": ("twin", ("{} Lantern", "{} Kettle", "{} Corkscrew", "{} Grinder")),
        "museum": ("twin", ("{} Museum",)),
        "opened": ("year", 1840, 1925),
        "moved": ("year", "opened", 8, 60),
        "owner1": ("person",),
        "owner2": ("person",),
        "lawyer": ("person",),
        "town": ("place",),
        "first_town": ("place",),
        "good1": ("pick", "goods"),
        "good2": ("pick", "goods"),
        "good3": ("pick", "goods"),
        "no_good": ("pick", "goods"),
        "animal": ("pick", "animals"),
        "no_animal": ("pick", "animals"),
        "designer": ("person",),
        "engineer": ("person",),
        "on_sale": ("year", "opened", 3, 40),
        "withdrawn": ("year", "on_sale", 10, 45),
        "weight": ("number", 410, 950, "grams"),
        "handle_weight": ("number", 40, 190, "grams"),
        "body": ("pick", "metals"),
        "screws": ("pick", "metals"),
        "colour": ("pick", "colours"),
        "no_colour": ("pick", "colours"),
        "handle": ("pick", "woods"),
        "base": ("pick", "woods"),
        "museum_opened": ("year", 1961, 1978),
        "extended": ("year", 1981, 1999),
        "curator": ("person",),
        "donor": ("person",),
        "exhibit1": ("pick", "exhibits"),
        "exhibit2": ("pick", "exhibits"),
        "exhibit3": ("pick", "exhibits"),
        "no_exhibit": ("pick", "exhibits"),
        "closed": ("pick", "weekdays"),
        "free": ("pick", "weekdays"),
        "museum_town": ("place",),
        "store_town": ("place",),
    },
    pages=(
        Page(
            title="{company}",
            lead=(
                "The {company} was founded in {opened} by {owner1} and {owner2}.",
                "{owner1} and {owner2} founded the {company} in {opened}.",
                "In {opened}, {owner1} and {owner2} founded the {company}.",
            ),
            body=(
                (
                    "The firm began in {first_town} and moved to {town} in {moved}.",
                    "The first workshop was in {first_town}; in {moved} the firm moved to {town}.",
                    "In {moved} the firm left {first_town}, where it had begun, and moved"
                    " to {town}.",
                ),
                (
                    "The firm made its name with {good1}, {good2} and {good3}, but"
                    " {no_good} sold badly.",
                    "The firm grew rich on {good1}, {good2} and {good3}, and lost money on"
                    " {no_good}.",
                    "Money came from {good1}, {good2} and {good3}; a trial with {no_good} failed.",
                ),
                (
                    "The trademark shows a {animal}, after a draft with a {no_animal} was"
                    " rejected.",
                    "A {animal} serves as the trademark, though a {no_animal} was proposed first.",
                    "Its trademark is a {animal}; an early sketch had a {no_animal} instead.",
                ),
                (
                    "Contracts were drawn up by {lawyer}.",
                    "{lawyer} drew up all the contracts.",
                    "The lawyer {lawyer} drew up its contracts.",
                ),
            ),
            fillers=(
                "Workers were paid weekly.",
                "A brass band played at its summer outings.",
                "Most of the staff lived nearby.",
            ),
        ),
        Page(
            title="{product}",
            lead=(
                "The {product} was sold by the {company} from {on_sale} to {withdrawn}.",
                "From {on_sale} to {withdrawn}, the {company} sold the {product}.",
                "The {product}, sold by the {company}, was on the market from {on_sale} to"
                " {withdrawn}.",
            ),
            body=(
                (
                    "It was designed by {designer} and tested by {engineer}.",
                    "{engineer} carried out the tests; the design was by {designer}.",
                    "The designer was {designer}, and {engineer} tested every part.",
                ),
                (
                    "It weighs {weight}, of which the handle makes up {handle_weight}.",
                    "The handle alone weighs {handle_weight}, the whole {weight}.",
                    "The total weight is {weight}, and the handle counts for {handle_weight}.",
                ),
                (
                    "The body is of {body}, held by screws of {screws}.",
                    "Screws of {screws} hold the body, which is of {body}.",
                    "Its body is made of {body} and its screws of {screws}.",
                ),
                (
                    "Every one was painted {colour}, since {no_colour} paint peeled off.",
                    "The paint was always {colour}; {no_colour} was tried and given up.",
                    "All were painted {colour}, although {no_colour} had been planned.",
                ),
                (
                    "The handle is {handle}, the packing box {base}.",
                    "It has a handle of {handle} and came in a box of {base}.",
                    "It came in a box of {base}, and the handle is made of {handle}.",
                ),
            ),
            fillers=(
                "Collectors look for early examples.",
                "Spare parts are hard to find.",
                "It was advertised on trams.",
            ),
        ),
        Page(
            title="{museum}",
            lead=(
                "The {museum} in {museum_town} tells the story of the {company}.",
                "In {museum_town} the {museum} tells the story of the {company}.",
                "The story of the {company} is told at the {museum} in {museum_town}.",
            ),
            body=(
                (
                    "The museum opened in {museum_opened} and was extended in {extended}.",
                    "Its doors opened in {museum_opened}; an extension followed in {extended}.",
                    "An extension was added in {extended} to the house opened in {museum_opened}.",
                ),
                (
                    "The curator is {curator}, and most pieces were given by {donor}.",
                    "{donor} gave most of the pieces, which {curator} looks after as curator.",
                    "Its curator, {curator}, cares for pieces that were mostly given by {donor}.",
                ),
                (
                    "On show are {exhibit1}, {exhibit2} and {exhibit3}, while the {no_exhibit}"
                    " stay in a store in {store_town}.",
                    "Visitors see {exhibit1}, {exhibit2} and {exhibit3}; a store in {store_town}"
                    " holds the {no_exhibit}.",
                    "The rooms show {exhibit1}, {exhibit2} and {exhibit3}, but the {no_exhibit}"
                    " are locked away in {store_town}.",
                ),
                (
                    "The museum is closed every {closed} and free every {free}.",
                    "Entry is free every {free}; every {closed} the museum stays closed.",
                    "Every {closed} the museum is closed, and every {free} nobody pays.",
                ),
            ),
            fillers=(
                "School classes come in spring.",
                "A café overlooks the yard.",
                "Guided tours must be booked.",
            ),
        ),
    ),
    relations=(
        Relation(
            "factoid",
            (0,),
            ("opened",),
            (
                "When was the {company} founded?",
                "In which year did the {company} come into being?",
                "What is the founding year of the {company}?",
            ),
            ("The firm dates from {opened}.", "The {company} started business in {opened}."),
        ),
        Relation(
            "factoid",
            (0,),
            ("town",),
            (
                "To which town did the {company} move?",
                "What town did the {company} move to?",
                "Where did the {company} go when it left its first town?",
            ),
            ("The {company} found a new home in {town}.", "The move took the firm to {town}."),
            also=("to {town}",),
        ),
        Relation(
            "factoid",
            (0,),
            ("animal",),
            (
                "Which animal is on the trademark of the {company}?",
                "What animal does the trademark of the {company} show?",
                "The {company} uses which animal as its trademark?",
            ),
            ("The {company} marks its goods with a {animal}.", "It is the picture of a {animal}."),
            also=("a {animal}",),
        ),
        Relation(
            "factoid",
            (0, 2),
            ("moved",),
            (
                "When did the firm that the {museum} is about move to another town?",
                "In what year did the firm presented at the {museum} change towns?",
                "The firm whose story is told at the {museum} moved in which year?",
            ),
            ("The move took place in {moved}.", "That firm changed towns in {moved}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("designer",),
            (
                "Who designed the {product}?",
                "By whom was the {product} designed?",
                "What is the name of the designer of the {product}?",
            ),
            ("The {product} is the work of {designer}.", "It was drawn by {designer}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("weight",),
            (
                "How much does a {product} weigh?",
                "What is the total weight of the {product}?",
                "The {product} has what weight in all?",
            ),
            ("Put on a scale, the {product} shows {weight}.", "In all it comes to {weight}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("body",),
            (
                "Which metal is the body of the {product} made of?",
                "What is the body of the {product} made from?",
                "Of what metal is the {product}'s body?",
            ),
            ("For the body of the {product} they took {body}.", "The metal is {body}."),
        ),
        Relation(
            "factoid",
            (1,),
            ("colour",),
            (
                "What colour was the {product}?",
                "In which colour was the {product} painted?",
                "Which colour did the {product} come in?",
            ),
            ("Buyers could have the {product} only in {colour}.", "It came in {colour} alone."),
        ),
        Relation(
            "factoid",
            (1,),
            ("handle",),
            (
                "Which wood is the handle of the {product} made of?",
                "What wood was used for the handle of the {product}?",
                "From which wood is the {product}'s handle cut?",
            ),
            (
                "For the handle of the {product}, {handle} was chosen.",
                "The wood in question is {handle}.",
            ),
        ),
        Relation(
            "factoid",
            (2,),
            ("curator",),
            (
                "Who is the curator of the {museum}?",
                "Which person looks after the collection of the {museum}?",
                "What is the name of the {museum}'s curator?",
            ),
            (
                "The collection of the {museum} is in the care of {curator}.",
                "The post of curator is held by {curator}.",
            ),
        ),
        Relation(
            "factoid",
            (2,),
            ("closed",),
            (
                "On which day is the {museum} closed?",
                "What day of the week is the {museum} closed?",
                "When in the week can the {museum} not be visited?",
            ),
            ("Nobody gets into the {museum} on a {closed}.", "Its day of rest is {closed}."),
            also=("on {closed}s", "{closed}s", "on {closed}"),
        ),
        Relation(
            "list",
            (0,),
            ("owner1", "owner2"),
            (
                "Which two people founded the {company}?",
                "Who were the two founders of the {company}?",
                "Name both founders of the {company}.",
            ),
            (
                "The firm was started by {owner2} together with {owner1}.",
                "Its two founders were {owner2} and {owner1}.",
            ),
        ),
        Relation(
            "list",
            (0,),
            ("good1", "good2", "good3"),
            (
                "Which three goods made the {company} rich?",
                "With what three goods was the {company} successful?",
                "Name the three successful goods of the {company}.",
            ),
            (
                "The {company} did well with {good3}, {good1} and also {good2}.",
                "Its successes were {good2}, {good3} and {good1}.",
            ),
        ),
        Relation(
            "list",
            (2,),
            ("exhibit1", "exhibit2", "exhibit3"),
            (
                "What three kinds of things are on show at the {museum}?",
                "Which three groups of exhibits can visitors see at the {museum}?",
                "Name the three kinds of exhibits in the rooms of the {museum}.",
            ),
            (
                "At the {museum} one can look at {exhibit3}, {exhibit1} and also {exhibit2}.",
                "There are {exhibit2}, {exhibit3} and {exhibit1} to be seen.",
            ),
        ),
        Relation(
            "summary",
            (1,),
            ("on_sale", "withdrawn"),
            (
                "When did the {product} come on the market, and when was it withdrawn?",
                "In which years did the sale of the {product} begin and end?",
                "From when to when was the {product} sold?",
            ),
            (
                "Sales of the {product} began in {on_sale} and ended in {withdrawn}.",
                "It could be bought between {on_sale} and {withdrawn}.",
            ),
            reference="on sale from {on_sale} to {withdrawn}",
        ),
        Relation(
            "summary",
            (2,),
            ("museum_town", "museum_opened", "extended"),
            (
                "Where is the {museum}, when did it open, and when was it extended?",
                "In which town did the {museum} open, in what year, and when was it enlarged?",
                "What are the location, the opening year and the year of extension of the"
                " {museum}?",
            ),
            (
                "The {museum} has been in {museum_town} since {museum_opened} and grew in"
                " {extended}.",
                "It began in {museum_opened} in {museum_town} and got more space in {extended}.",
            ),
            reference="in {museum_town}, opened in {museum_opened} and extended in {extended}",
        ),
        Relation(
            "summary",
            (0, 1),
            ("first_town", "designer"),
            (
                "Where did the firm that sold the {product} begin, and who designed the {product}?",
                "Who designed the {product}, and in which town did the firm that sold it begin?",
                "Name the designer of the {product} and the first town of the firm that sold it.",
            ),
            (
                "The firm's first home was {first_town}; the design came from {designer}.",
                "It was the work of {designer} for a firm with roots in {first_town}.",
            ),
            reference="the firm began in {first_town}; the designer was {designer}",
        ),
        Relation(
            "yesno",
            (0,),
            ("good2",),
            (
                "Did the {company} do well with {value}?",
                "Was the {company} successful in selling {value}?",
                "Were {value} a success for the {company}?",
            ),
            (
                "Yes, {right} brought good money to the {company}.",
                "No, with {wrong} the firm had no success.",
            ),
            wrong="no_good",
        ),
        Relation(
            "yesno",
            (2,),
            ("free",),
            (
                "Is entry to the {museum} free on {value}s?",
                "Can people visit the {museum} on {value}s without paying?",
                "Is {value} the day when the {museum} is free?",
            ),
            (
                "Yes, there is nothing to pay at the {museum} on a {right}.",
                "No, free entry is offered on {right}s, not on {wrong}s.",
            ),
            wrong="closed",
        ),
    ),
)

# Pairs of twins go through the kinds in this order.
KINDS = (INSTITUTE, TOWN, EXPEDITION, COMPANY)

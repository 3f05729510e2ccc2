"""Word lists of the built-in data set `fictional`."""

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

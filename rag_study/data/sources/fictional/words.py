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
# Another right way to write a unit.
OTHER_UNITS = {
    **{"metres": "m", "degrees": "°C", "grams": "g", "kilometres": "km"},
    **{"hours": "h", "minutes": "min", "mg": "milligrams"},
}

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
    # biomedical
    "complaints": (
        *("joint pain", "muscle cramps", "night sweats", "itching", "hoarseness", "chest pain"),
        *("leg swelling", "chronic cough", "back stiffness", "breathlessness"),
    ),
    "treatments": (
        *("bed rest", "vitamin D", "breathing exercises", "physiotherapy", "dietary advice"),
        *("iron tablets", "warm baths", "compression stockings", "massage", "acupuncture"),
    ),
    "organs": (
        *("liver", "spleen", "pancreas", "stomach", "small intestine", "colon", "bone marrow"),
        *("thyroid gland", "gall bladder"),
    ),
    "lab_animals": (
        *("rats", "rabbits", "ferrets", "hamsters", "gerbils", "voles", "squirrels"),
        *("guinea pigs", "chinchillas", "marmosets"),
    ),
    "side_effects": (
        *("nausea", "dizziness", "dry mouth", "headache", "fatigue", "insomnia", "hair loss"),
        *("constipation", "skin rash", "muscle weakness", "loss of appetite", "heartburn"),
    ),
    "harms": (
        *("jaundice", "pneumonia", "heart failure", "kidney failure", "internal bleeding"),
        *("blood poisoning", "meningitis", "hepatitis"),
    ),
    "conditions": (
        *("obesity", "asthma", "anaemia", "diabetes", "gout", "migraine", "high blood pressure"),
        *("psoriasis", "epilepsy"),
    ),
    "variants": (
        *("missense", "nonsense", "frameshift", "splice-site", "stop-loss", "start-loss"),
        *("promoter", "deletion"),
    ),
    "loci": (
        *("7q21", "12p13", "3p25", "16q22", "9q34", "1p36", "20q13", "5q31", "2p16", "11q23"),
        *("17p11", "8q24"),
    ),
    "signs": (
        *("tremor", "slurred speech", "muscle stiffness", "night blindness", "hearing loss"),
        *("poor balance", "muscle wasting", "double vision", "neck pain", "facial numbness"),
    ),
    "tissues": (
        *("spinal cord", "heart muscle", "retina", "inner ear", "adrenal gland", "thymus"),
        *("salivary glands", "lining of the lungs", "cornea", "pituitary gland"),
    ),
    "organelles": (
        *("nucleus", "nucleolus", "Golgi apparatus", "endoplasmic reticulum", "cytoplasm"),
        *("mitochondrial matrix",),
    ),
    "stresses": (
        *("high temperature", "low temperature", "low oxygen", "high salt", "ultraviolet light"),
        *("mechanical strain", "low pH", "high pressure"),
    ),
    "brain_regions": (
        *("cerebellum", "hippocampus", "thalamus", "brainstem", "amygdala", "striatum"),
        *("hypothalamus", "olfactory bulb"),
    ),
    "behaviour_tests": (
        *("rotating rod test", "swimming test", "hanging wire test", "balance beam test"),
        *("maze test", "grip test", "startle test", "inclined plane test"),
    ),
    # papers
    "ideas": (
        *("layered attention", "shared memory", "two-step decoding", "noisy training"),
        *("guided sampling", "span matching", "slow pruning", "joint scoring"),
    ),
    "tasks": (
        *("headline generation", "entity linking", "question generation", "keyword extraction"),
        *("spelling correction", "sarcasm detection", "text simplification", "topic tracking"),
        *("sentence compression", "dialogue act tagging"),
    ),
    "problems": (
        *("rare words", "spelling errors", "long sentences", "ambiguous names", "foreign words"),
        *("dialect words", "idioms", "abbreviations"),
    ),
    "resources": (
        *("hand-written rules", "large dictionaries", "parallel text", "parse trees"),
        *("word lists", "expert labels", "translated examples", "knowledge graphs"),
    ),
    "users": (
        *("court clerks", "librarians", "radio editors", "tax advisers", "travel agents"),
        *("schoolteachers", "museum guides", "pharmacists", "town planners", "historians"),
    ),
    "contributions": (
        *("a public demo", "a study of reading times", "a reader survey", "a style guide"),
        *("a video tutorial", "a list of open questions", "a set of unit tests"),
        *("a review of the field", "a teaching module", "a plug-in for editors"),
    ),
    "languages": (
        *("Estonian", "Welsh", "Basque", "Slovene", "Icelandic", "Maltese", "Latvian", "Galician"),
        *("Faroese", "Irish"),
    ),
    "text_sources": (
        *("court rulings", "weather reports", "cooking recipes", "sports reports", "obituaries"),
        *("parliamentary speeches", "travel guides", "hotel reviews", "job advertisements"),
        *("theatre reviews",),
    ),
    "noise": (
        *("tables", "footnotes", "hyperlinks", "headings", "duplicates", "quotations", "emojis"),
        *("page numbers", "captions", "signatures"),
    ),
    "encoders": (
        *("bidirectional LSTM", "convolutional network", "transformer", "gated recurrent network"),
        *("memory network", "feed-forward network", "tree LSTM", "pointer network"),
    ),
    "features": (
        *("word embeddings", "character embeddings", "part-of-speech tags", "word shapes"),
        *("sentence positions", "syllable counts", "capital letters", "topic labels"),
        *("dependency labels", "word frequencies"),
    ),
    "criteria": (
        *("word count", "frequency", "edit distance", "topic overlap", "date", "reading level"),
        *("word order", "position"),
    ),
    "losses": (
        *("cross-entropy loss", "hinge loss", "ranking loss", "focal loss", "contrastive loss"),
        *("squared loss",),
    ),
    "metrics": (
        *("accuracy", "macro F1", "BLEU", "ROUGE-L", "exact match", "mean reciprocal rank"),
        *("METEOR", "Matthews correlation"),
    ),
    "optimisers": (
        *("Adam", "AdaGrad", "RMSProp", "AdaDelta", "Nadam", "AdaMax", "Adafactor"),
        *("plain gradient descent",),
    ),
    "baselines": (
        *("logistic regression", "naive Bayes", "random forests", "nearest neighbours"),
        *("support vector machines", "maximum entropy", "hidden Markov models"),
        *("conditional random fields", "decision trees", "gradient boosting"),
    ),
    "model_parts": (
        *("copy mechanism", "attention layer", "length penalty", "beam search", "dropout layer"),
        *("gating unit", "shared vocabulary", "skip connection"),
    ),
    "weaknesses": (
        *("slow decoding", "high memory use", "poor handling of verbs", "poor coverage of slang"),
        *("sensitivity to noise", "long training", "poor calibration", "large model size"),
    ),
    "further_texts": (
        *("speech transcripts", "social media posts", "medical notes", "song lyrics"),
        *("film subtitles", "chat logs", "patent texts", "school essays"),
    ),
    "licences": (*("MIT", "Apache 2.0", "BSD", "GPL", "Mozilla", "Eclipse", "CC BY", "zlib"),),
    "flaws": (
        *("small size", "poor labels", "closed licences", "old spelling", "missing context"),
        *("unclear guidelines", "automatic translation", "uneven coverage"),
    ),
    "outlets": (
        *("public libraries", "online forums", "municipal archives", "radio stations"),
        *("village newspapers", "school magazines", "company websites", "publishing houses"),
    ),
    "annotators": (
        *("law students", "hospital nurses", "retired teachers", "freelance journalists"),
        *("court interpreters", "history students", "sound engineers", "software testers"),
    ),
    "labels": (
        *("claim", "suggestion", "promise", "warning", "apology", "joke", "complaint", "request"),
        *("proposal", "greeting"),
    ),
    "settlements": (
        *("majority vote", "group discussion", "a senior annotator", "an outside expert"),
        *("a third reading", "a secret ballot", "the project leader", "a written review"),
    ),
    "phenomena": (
        *("negations", "rhetorical questions", "figures of speech", "place names"),
        *("legal terms", "long lists", "ironic remarks", "incomplete sentences"),
    ),
    "errors": (
        *("wrong boundaries", "swapped names", "repeated phrases", "wrong dates"),
        *("missing subjects", "invented facts", "lost numbers", "false matches"),
    ),
    "biases": (
        *("young authors", "large towns", "recent events", "famous people", "rural areas"),
        *("old buildings", "winter months", "religious holidays"),
    ),
}

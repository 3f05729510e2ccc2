"""A company, its product and its museum."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page, Relation

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

"""A paper that presents a corpus."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page
from rag_study.data.sources.fictional.papers.resource_questions import RELATIONS

TITLE = "{corpus}: a corpus of {material} for {task}"

RESOURCE = Kind(
    name="resource",
    slots={
        "corpus": ("twin", ("{}Bank", "{}Set", "{}Pool", "{}Base")),
        "material": ("twin_pick", "text_sources"),
        "task": ("twin_pick", "tasks"),
        "flaw": ("pick", "flaws"),
        "flaw2": ("pick", "flaws"),
        "user": ("pick", "users"),
        "user2": ("pick", "users"),
        "contribution1": ("pick", "contributions"),
        "contribution2": ("pick", "contributions"),
        "no_contribution": ("pick", "contributions"),
        "outlet": ("pick", "outlets"),
        "outlet2": ("pick", "outlets"),
        "language": ("pick", "languages"),
        "language2": ("pick", "languages"),
        "texts": ("number", 1210, 4890, "texts"),
        "words": ("number", 120, 480, "words"),
        "noise1": ("pick", "noise"),
        "noise2": ("pick", "noise"),
        "no_noise": ("pick", "noise"),
        "months": ("number", 3, 11, "months"),
        "weeks": ("number", 2, 9, "weeks"),
        "annotator": ("pick", "annotators"),
        "trainer": ("pick", "annotators"),
        "label1": ("pick", "labels"),
        "label2": ("pick", "labels"),
        "label3": ("pick", "labels"),
        "no_label": ("pick", "labels"),
        "settlement": ("pick", "settlements"),
        "check": ("pick", "settlements"),
        "agreement": ("number", 76, 94, "%"),
        "pilot": ("number", 51, 74, "%"),
        "tool": ("word",),
        "tool2": ("word",),
        "baseline1": ("pick", "baselines"),
        "baseline2": ("pick", "baselines"),
        "baseline3": ("pick", "baselines"),
        "no_baseline": ("pick", "baselines"),
        "metric": ("pick", "metrics"),
        "metric2": ("pick", "metrics"),
        "score": ("decimal", 512, 744),
        "human": ("decimal", 803, 951),
        "folds": ("number", 4, 12, "folds"),
        "repeats": ("number", 3, 9, "times"),
        "hard": ("pick", "phenomena"),
        "easy": ("pick", "phenomena"),
        "error1": ("pick", "errors"),
        "error2": ("pick", "errors"),
        "no_error": ("pick", "errors"),
        "enough": ("number", 610, 990, "training texts"),
        "minimum": ("number", 40, 190, "training texts"),
        "bias": ("pick", "biases"),
        "bias2": ("pick", "biases"),
        "town": ("place",),
        "town2": ("place",),
        "future": ("pick", "further_texts"),
        "future2": ("pick", "further_texts"),
        "licence": ("pick", "licences"),
        "licence2": ("pick", "licences"),
    },
    pages=(
        Page(
            title=TITLE + " — Introduction",
            lead=(
                "This paper presents {corpus}, a new corpus of {material} that is meant to advance"
                " {task}.",
                "We introduce {corpus}, a corpus of {material} on which systems for {task} can be"
                " trained and tested.",
                "Progress in {task} depends on good data. We therefore present {corpus}, a corpus"
                " of {material}.",
            ),
            body=(
                (
                    "Existing corpora are of little use because of {flaw}; we are less worried"
                    " about {flaw2}.",
                    "What makes existing corpora hard to use is {flaw}, not so much {flaw2}.",
                    "The trouble with existing corpora is {flaw}, a greater obstacle than {flaw2}.",
                ),
                (
                    "We had {user} in mind when we planned the work, although {user2} may profit"
                    " from it too.",
                    "The corpus was planned with {user}, and {user2} have since shown some"
                    " interest.",
                    "It is the needs of {user} that guided our work; those of {user2} came second.",
                ),
                (
                    "Besides the corpus itself we contribute {contribution1} and {contribution2},"
                    " while {no_contribution} is left for another paper.",
                    "Our further contributions are {contribution1} and {contribution2};"
                    " {no_contribution} would go beyond the scope of this paper.",
                    "We also offer {contribution1} and {contribution2}, but not"
                    " {no_contribution}, for which there is no space here.",
                ),
            ),
            fillers=(
                "Related work is discussed in the appendix.",
                "An example is shown in Figure 1.",
                "The rest of the paper is organised as usual.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Collection",
            lead=(
                "The texts come from {outlet}, since {outlet2} refused to take part.",
                "All the texts were supplied by {outlet}; an attempt to win over {outlet2} failed.",
                "We obtained our texts from {outlet} after talks with {outlet2} had come to"
                " nothing.",
            ),
            body=(
                (
                    "They are written in {language}, and the few that were in {language2} were"
                    " sorted out.",
                    "Only texts in {language} were used; a few in {language2} were discarded.",
                    "We kept what was in {language} and put aside what was in {language2}.",
                ),
                (
                    "The corpus has {texts} with {words} each on average.",
                    "In all there are {texts}, and their mean length is {words}.",
                    "With a mean length of {words}, we arrived at a total of {texts}.",
                ),
                (
                    "We removed {noise1} and {noise2} but kept {no_noise}.",
                    "All {noise1} and {noise2} were deleted, while {no_noise} were kept.",
                    "While {no_noise} were left in place, we took out {noise1} and {noise2}.",
                ),
                (
                    "Collection took {months}, and another {weeks} were needed for cleaning.",
                    "We spent {months} on collecting the texts and {weeks} on cleaning them.",
                    "The collection was finished after {months} and the cleaning after a further"
                    " {weeks}.",
                ),
                (
                    "One of the authors read a sample of the result to make sure that nothing had"
                    " been damaged.",
                    "A sample of the result was compared with the originals by one of the authors.",
                    "To be on the safe side, one of the authors compared a sample with the"
                    " originals.",
                ),
            ),
            fillers=(
                "Personal names were replaced.",
                "Nothing was collected without permission.",
                "Statistics are given in Table 1.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Annotation",
            lead=(
                "The annotators were {annotator}, who had been trained by {trainer}.",
                "We hired {annotator} as annotators and had them trained by {trainer}.",
                "After a training course given by {trainer}, the texts were labelled by"
                " {annotator}.",
            ),
            body=(
                (
                    "There are three labels, {label1}, {label2} and {label3}; a fourth,"
                    " {no_label}, was abandoned.",
                    "They could choose from {label1}, {label2} and {label3}, but not {no_label},"
                    " which had been planned as a fourth label.",
                    "The labels are {label1}, {label2} and {label3}, while {no_label} was dropped"
                    " for lack of examples.",
                ),
                (
                    "Disagreements were settled by {settlement}, and a sample of the final labels"
                    " was checked by {check}.",
                    "In cases of disagreement we relied on {settlement}; for a final check of"
                    " quality there was {check}.",
                    "We used {settlement} to settle disagreements and {check} to check the"
                    " quality of a sample.",
                ),
                (
                    "Annotators agreed in {agreement} of all cases, up from {pilot} in a pilot"
                    " round.",
                    "Agreement rose from {pilot} in a pilot round to {agreement} in the end.",
                    "The final agreement is {agreement}; in a pilot round it had been {pilot}.",
                ),
                (
                    "Labels were entered with a program called {tool}, which we preferred to"
                    " {tool2}.",
                    "The annotation tool was {tool}, chosen after a test of {tool2}.",
                    "For the work itself we used the program {tool} instead of {tool2}.",
                ),
            ),
            fillers=(
                "Everyone was paid by the hour.",
                "The guidelines are part of the release.",
                "No text was labelled by one person alone.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Experiments",
            lead=(
                "As baselines we test {baseline1}, {baseline2} and {baseline3}, leaving out"
                " {no_baseline}.",
                "We train {baseline2}, {baseline3} and {baseline1} on the corpus; a trial of"
                " {no_baseline} was broken off.",
                "Three baselines were tried, {baseline3}, {baseline1} and {baseline2}, while"
                " {no_baseline} had to be left for later.",
            ),
            body=(
                (
                    "The main measure is {metric}, and {metric2} is given in the appendix.",
                    "Systems are compared by {metric}; we looked at {metric2} as well.",
                    "We judge systems by {metric} and only mention {metric2} in passing.",
                ),
                (
                    "The best system is {baseline2} with a score of {score}, far below the"
                    " {human} of human readers.",
                    "While human readers score {human}, the best system, {baseline2}, gets no"
                    " further than {score}.",
                    "Among the systems, first place goes to {baseline2} with a score of {score},"
                    " yet human readers reach {human}.",
                ),
                (
                    "We use cross-validation with {folds} and repeat it {repeats}.",
                    "All figures come from cross-validation with {folds}, repeated {repeats}.",
                    "Cross-validation was done with {folds} and repeated {repeats}.",
                ),
                (
                    "All systems were used as they are, with their usual settings and without any"
                    " attempt to adapt them to the corpus.",
                    "We did not try to get the most out of each system, as our aim was only to"
                    " show how difficult the corpus is.",
                    "Default settings were used throughout, so that the figures should be seen as"
                    " a starting point for better systems.",
                ),
            ),
            fillers=(
                "Table 2 has the details.",
                "Human scores are based on a sample.",
                "All differences are significant.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Analysis",
            lead=(
                "We looked at the output of the systems by hand. They find {hard} hardest and"
                " {easy} easiest.",
                "A closer look at the output shows that {hard} cause most of the trouble, whereas"
                " {easy} are handled well.",
                "When we inspected the output, we found that systems do worst on {hard} and best on"
                " {easy}.",
            ),
            body=(
                (
                    "Typical mistakes are {error1} and {error2}, but {no_error} are rare.",
                    "We mostly found {error1} and {error2} and hardly any {no_error}.",
                    "Among the mistakes, {error1} and {error2} are frequent, unlike {no_error}.",
                ),
                (
                    "Results get better until {enough} are used and are no better than chance with"
                    " fewer than {minimum}.",
                    "With fewer than {minimum}, results are at chance level, and from {enough} on"
                    " they no longer improve.",
                    "At least {minimum} are needed to do better than chance, and nothing is gained"
                    " by more than {enough}.",
                ),
                (
                    "There is a bias towards {bias}, while {bias2} are underrepresented.",
                    "Readers should note a bias in favour of {bias} and to the disadvantage of"
                    " {bias2}.",
                    "The corpus is biased: it has too much about {bias} and too little about"
                    " {bias2}.",
                ),
            ),
            fillers=(
                "More examples are given in the appendix.",
                "Figure 2 shows the learning curve.",
                "The length of a text plays no role.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Conclusion",
            lead=(
                "We have presented {corpus}, a corpus of {material}, and have shown that it is a"
                " challenge for current systems.",
                "With {corpus} there is now a corpus of {material} that leaves much room for"
                " better systems.",
                "The corpus presented here, {corpus}, should make research on {task} easier and"
                " its results easier to compare.",
            ),
            body=(
                (
                    "Our next step will be to add {future}, and in the long run we hope to"
                    " include {future2} as well.",
                    "We will soon extend the corpus by {future}. Work on {future2} must wait.",
                    "In future work we will turn to {future}; {future2} are a goal for later.",
                ),
                (
                    "The data are kept at the University of {town}, with a copy at the University"
                    " of {town2}.",
                    "The University of {town} looks after the data and the University of {town2}"
                    " after a copy.",
                    "A copy is stored at the University of {town2}, but the University of {town}"
                    " maintains the data.",
                ),
                (
                    "The corpus is released under the {licence} licence and our programs under the"
                    " {licence2} licence.",
                    "We publish the corpus under the {licence} licence, whereas our programs come"
                    " under the {licence2} licence.",
                    "Our programs have the {licence2} licence, the corpus the {licence} licence.",
                ),
                (
                    "We believe that the corpus can be of use for many other tasks, too.",
                    "Many other tasks, we believe, could make use of the same corpus.",
                    "The corpus is general enough to be used for many other tasks.",
                ),
            ),
            fillers=(
                "We hope that others will build on this work.",
                "We thank the reviewers for their comments.",
                "Corrections from readers are welcome.",
            ),
            ordered=True,
        ),
    ),
    relations=RELATIONS,
)

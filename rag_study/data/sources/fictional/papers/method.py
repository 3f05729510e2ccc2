"""A paper that proposes a model."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Kind, Page
from rag_study.data.sources.fictional.papers.method_questions import RELATIONS

TITLE = "{method}: {idea} for {task}"

METHOD = Kind(
    name="method",
    slots={
        "method": ("twin", ("{}Net", "{}Former", "{}Mix", "{}Tag")),
        "idea": ("twin_pick", "ideas"),
        "task": ("twin_pick", "tasks"),
        "problem": ("pick", "problems"),
        "problem2": ("pick", "problems"),
        "reliance": ("pick", "resources"),
        "reliance2": ("pick", "resources"),
        "user": ("pick", "users"),
        "user2": ("pick", "users"),
        "contribution1": ("pick", "contributions"),
        "contribution2": ("pick", "contributions"),
        "no_contribution": ("pick", "contributions"),
        "corpus": ("word",),
        "corpus2": ("word",),
        "language": ("pick", "languages"),
        "language2": ("pick", "languages"),
        "source": ("pick", "text_sources"),
        "source2": ("pick", "text_sources"),
        "train": ("number", 4100, 9800, "sentences"),
        "test": ("number", 410, 980, "sentences"),
        "noise1": ("pick", "noise"),
        "noise2": ("pick", "noise"),
        "no_noise": ("pick", "noise"),
        "annotators": ("number", 6, 14, "annotators"),
        "judges": ("number", 2, 5, "senior annotators"),
        "encoder": ("pick", "encoders"),
        "encoder2": ("pick", "encoders"),
        "feature1": ("pick", "features"),
        "feature2": ("pick", "features"),
        "feature3": ("pick", "features"),
        "no_feature": ("pick", "features"),
        "criterion1": ("pick", "criteria"),
        "criterion2": ("pick", "criteria"),
        "loss": ("pick", "losses"),
        "loss2": ("pick", "losses"),
        "layers": ("number", 3, 9, "layers"),
        "heads": ("number", 10, 16, "attention heads"),
        "metric": ("pick", "metrics"),
        "metric2": ("pick", "metrics"),
        "runs": ("number", 3, 7, "runs"),
        "seeds": ("number", 8, 15, "runs"),
        "optimiser": ("pick", "optimisers"),
        "optimiser2": ("pick", "optimisers"),
        "hours": ("number", 3, 40, "hours"),
        "minutes": ("number", 5, 55, "minutes"),
        "baseline1": ("pick", "baselines"),
        "baseline2": ("pick", "baselines"),
        "baseline3": ("pick", "baselines"),
        "no_baseline": ("pick", "baselines"),
        "score": ("decimal", 712, 894),
        "best_score": ("decimal", 603, 708),
        "part": ("pick", "model_parts"),
        "part2": ("pick", "model_parts"),
        "weakness": ("pick", "weaknesses"),
        "weakness2": ("pick", "weaknesses"),
        "future": ("pick", "further_texts"),
        "future2": ("pick", "further_texts"),
        "licence": ("pick", "licences"),
        "licence2": ("pick", "licences"),
    },
    pages=(
        Page(
            title=TITLE + " — Introduction",
            lead=(
                "This paper presents {method}, a model for {task} that is built to cope with"
                " {problem}; we leave {problem2} aside.",
                "We introduce {method}, which brings {idea} to {task} and deals with {problem},"
                " though not with {problem2}.",
                "In this paper we propose {method}, a model for {task}. It is made for texts with"
                " {problem}, not for those with {problem2}.",
            ),
            body=(
                (
                    "Earlier systems break down on such texts because they rely on {reliance},"
                    " whereas our model makes do with {reliance2}.",
                    "Since they depend on {reliance}, earlier systems do badly here; our model"
                    " needs only {reliance2}.",
                    "Previous work needs {reliance} and therefore fails on these texts. All that"
                    " we need is {reliance2}.",
                ),
                (
                    "The work was prompted by a request from {user}; a version for {user2} may"
                    " follow.",
                    "It was {user} who asked for such a tool, and {user2} have since shown some"
                    " interest.",
                    "The model was developed for {user}, although {user2} could use it as well.",
                ),
                (
                    "Besides the model itself we contribute {contribution1} and {contribution2},"
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
            title=TITLE + " — Data",
            lead=(
                "We train and test on the {corpus} corpus and use the {corpus2} corpus only for"
                " development.",
                "All results are for the {corpus} corpus; the {corpus2} corpus served for"
                " development.",
                "Our corpus is called {corpus}. A second one, {corpus2}, was used only during"
                " development.",
            ),
            body=(
                (
                    "The main corpus is a collection of {source} in {language}, unlike the"
                    " development corpus, which has {source2} in {language2}.",
                    "The former consists of {source} in {language}, the latter of {source2} in"
                    " {language2}.",
                    "The main corpus contains {source}, all written in {language}; the development"
                    " corpus contains {source2} in {language2}.",
                ),
                (
                    "There are {train} for training and {test} for testing.",
                    "The training set has {train} and the test set {test}.",
                    "We hold out {test} as a test set and train on {train}.",
                ),
                (
                    "We removed {noise1} and {noise2} but kept {no_noise}.",
                    "All {noise1} and {noise2} were deleted, while {no_noise} were kept.",
                    "While {no_noise} were left in place, we took out {noise1} and {noise2}.",
                ),
                (
                    "The labels come from {annotators}, and {judges} settled doubtful cases.",
                    "Labels were assigned by {annotators}; doubtful cases went to {judges}.",
                    "In all, {annotators} labelled the text, helped by {judges} in cases of doubt.",
                ),
                (
                    "The training and the test set have no text in common.",
                    "No text is in both the training and the test set.",
                    "We made sure that the two sets do not share any text.",
                ),
            ),
            fillers=(
                "Personal names were replaced.",
                "The split follows earlier work.",
                "Statistics are given in Table 1.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Method",
            lead=(
                "The input is encoded by a {encoder}, and a {encoder2} produces the output.",
                "{method} has a {encoder} as its encoder and a {encoder2} as its decoder.",
                "As the encoder we use a {encoder}; the decoder is a {encoder2}.",
            ),
            body=(
                (
                    "The input features are {feature1}, {feature2} and {feature3}; adding"
                    " {no_feature} did not help.",
                    "Words are represented by {feature1}, {feature2} and {feature3}, whereas"
                    " {no_feature} were tried and dropped.",
                    "We feed the model with {feature1}, {feature2} and {feature3} but do without"
                    " {no_feature}.",
                ),
                (
                    "Candidates are first ranked by {criterion1} and then filtered by"
                    " {criterion2}.",
                    "A first step ranks candidates by {criterion1}, and a second one filters them"
                    " by {criterion2}.",
                    "After a ranking by {criterion1}, candidates are filtered by {criterion2}.",
                ),
                (
                    "The model is trained with a {loss}, as a {loss2} led to unstable results.",
                    "For training we minimise a {loss}. With a {loss2}, training did not converge.",
                    "Training is based on a {loss}, which proved better than a {loss2}.",
                ),
                (
                    "The network has {layers} with {heads} each.",
                    "The model has {layers}, each of them with {heads}.",
                    "There are {layers} and, in each of these, {heads}.",
                ),
            ),
            fillers=(
                "Details are given in the appendix.",
                "The whole model is trained end to end.",
                "Weights are initialised at random.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Experiments",
            lead=(
                "Our main measure is {metric}; we also looked at {metric2}.",
                "We evaluate all systems by {metric} and give {metric2} as additional information.",
                "All systems are judged by {metric}, while {metric2} is given in the appendix"
                " only.",
            ),
            body=(
                (
                    "Each figure is the mean of {runs} of our model and of {seeds} of the smaller"
                    " systems.",
                    "We average over {runs} of our model; for smaller systems the figures are"
                    " means of {seeds}.",
                    "Means are taken over {runs} for our model and over {seeds} for smaller"
                    " systems.",
                ),
                (
                    "The weights were optimised with {optimiser}, since {optimiser2} was slower.",
                    "As the optimiser we chose {optimiser} after trying {optimiser2}.",
                    "We use {optimiser} to optimise the weights; the results with {optimiser2} were"
                    " no better.",
                ),
                (
                    "Training took {hours} on a single card, and applying the model to the test"
                    " set took {minutes}.",
                    "On one card, training was finished within {hours} and testing within"
                    " {minutes}.",
                    "On one card, we needed {hours} for training and {minutes} for testing.",
                ),
                (
                    "We stopped training when the results on the development data no longer"
                    " improved, and we report results on the test data only.",
                    "Settings were chosen on development data, and the test data were used only"
                    " once, at the very end.",
                    "All settings were fixed before the test data were looked at, and none was"
                    " changed afterwards.",
                ),
            ),
            fillers=(
                "The same settings were used throughout.",
                "No system saw the test data during training.",
                "We tested differences by bootstrap resampling.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Results",
            lead=(
                "We compare {method} with {baseline1}, {baseline2} and {baseline3}; results for"
                " {no_baseline} were not available.",
                "The baselines are {baseline3}, {baseline1} and {baseline2}, while"
                " {no_baseline} could not be run.",
                "{method} competes with {baseline2}, {baseline3} and {baseline1}, but not with"
                " {no_baseline}, which would have taken too long.",
            ),
            body=(
                (
                    "Our model reaches a score of {score}; the best baseline, {baseline2}, stays"
                    " at {best_score}.",
                    "The score is {best_score} for {baseline2}, the strongest of these, and"
                    " {score} for our model.",
                    "With a score of {score}, our model is ahead; the strongest of the others is"
                    " {baseline2} with {best_score}.",
                ),
                (
                    "Results drop most when the {part} is removed and hardly at all without the"
                    " {part2}.",
                    "In an ablation study, the {part} proved most important and the {part2} least"
                    " important.",
                    "If we take away the {part}, results suffer most; the {part2} can be removed"
                    " with little harm.",
                ),
                (
                    "All differences between the systems are significant.",
                    "The order of the systems was the same on the development data.",
                    "The ranking is the same for easy and for difficult texts.",
                ),
            ),
            fillers=(
                "Table 2 has the details.",
                "Some typical errors are shown in Figure 3.",
                "We looked at a sample of the output by hand.",
            ),
            ordered=True,
        ),
        Page(
            title=TITLE + " — Conclusion",
            lead=(
                "We have presented {method} and have shown that {idea} is useful for {task}.",
                "With {method} we have shown that {task} benefits from {idea}.",
                "This paper has shown how {idea} can improve {task} and has put the idea to work"
                " in {method}.",
            ),
            body=(
                (
                    "Its main weakness is {weakness}, more so than {weakness2}.",
                    "The main drawback is {weakness}, while {weakness2} is a minor one.",
                    "A serious limitation lies in {weakness}; {weakness2} is less of a problem.",
                ),
                (
                    "Our next step will be to adapt the model to {future}, and in the long run"
                    " we hope to handle {future2} as well.",
                    "We will soon apply the model to {future}. Work on {future2} must wait.",
                    "In future work we will turn to {future}; {future2} are a goal for later.",
                ),
                (
                    "The code is released under the {licence} licence and the trained model under"
                    " the {licence2} licence.",
                    "We publish our code under the {licence} licence, whereas the trained model"
                    " comes under the {licence2} licence.",
                    "The trained model has the {licence2} licence, the code the {licence} licence.",
                ),
                (
                    "We believe that the approach can be of use for many other tasks, too.",
                    "Many other tasks, we believe, could gain from the same approach.",
                    "The approach is general enough to be tried on many other tasks.",
                ),
            ),
            fillers=(
                "We hope that others will build on this work.",
                "We thank the reviewers for their comments.",
                "Feedback from readers is welcome.",
            ),
            ordered=True,
        ),
    ),
    relations=RELATIONS,
)

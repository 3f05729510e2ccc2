"""A gene: the disease it causes, its protein and animals without it."""

from __future__ import annotations

from rag_study.data.sources.fictional.biomedical.gene_questions import RELATIONS
from rag_study.data.sources.fictional.kind import Kind, Page

GENE = Kind(
    name="gene",
    slots={
        "gene": ("twin_gene",),
        "disease": ("twin", ("{} ataxia", "{} myopathy", "{} dystrophy", "{} neuropathy")),
        "families": ("number", 5, 24, "families"),
        "controls": ("number", 60, 190, "healthy people"),
        "town": ("place",),
        "control_town": ("place",),
        "variant": ("pick", "variants"),
        "variant2": ("pick", "variants"),
        "locus": ("pick", "loci"),
        "old_locus": ("pick", "loci"),
        "onset": ("number", 10, 25, "years"),
        "lost": ("number", 31, 55, "years"),
        "sign1": ("pick", "signs"),
        "sign2": ("pick", "signs"),
        "sign3": ("pick", "signs"),
        "no_sign": ("pick", "signs"),
        "protein": ("word", ("{}in",)),
        "length": ("number", 210, 590, "amino acids"),
        "mouse_length": ("number", 610, 980, "amino acids"),
        "tissue": ("pick", "tissues"),
        "tissue2": ("pick", "tissues"),
        "organelle": ("pick", "organelles"),
        "organelle2": ("pick", "organelles"),
        "stress": ("pick", "stresses"),
        "stress2": ("pick", "stresses"),
        "partner1": ("word", ("{}in",)),
        "partner2": ("word", ("{}in",)),
        "no_partner": ("word", ("{}in",)),
        "animal": ("pick", "lab_animals"),
        "animal2": ("pick", "lab_animals"),
        "weeks": ("number", 4, 15, "weeks"),
        "death": ("number", 40, 80, "weeks"),
        "region1": ("pick", "brain_regions"),
        "region2": ("pick", "brain_regions"),
        "no_region": ("pick", "brain_regions"),
        "test": ("pick", "behaviour_tests"),
        "test2": ("pick", "behaviour_tests"),
        "compound": ("word", ("{}ol", "{}ide", "{}ate")),
        "compound2": ("word", ("{}ol", "{}ide", "{}ate")),
        "improved": ("number", 41, 79, "%"),
        "improved2": ("number", 5, 25, "%"),
    },
    pages=(
        Page(
            title="Variants of {gene} in families with {disease}",
            lead=(
                "We searched for the cause of {disease} in {families} from {town} and, as a"
                " comparison, in {controls} from {control_town}.",
                "To find the cause of {disease}, we studied {families} from {town}; {controls}"
                " from {control_town} served as a comparison.",
                "The genetic cause of {disease} was sought in {families} living in {town}, with"
                " {controls} from {control_town} as controls.",
            ),
            body=(
                (
                    "Sequencing found {variant} variants of {gene} in every patient, whereas"
                    " {variant2} variants turned out to be harmless.",
                    "All patients carried {variant} variants of {gene}; the {variant2} variants"
                    " that we also saw did no harm.",
                    "On sequencing, every patient had {variant} variants of {gene}, while some"
                    " of the controls had {variant2} variants without being ill.",
                ),
                (
                    "The gene lies at {locus}, not at {old_locus} as linkage studies had"
                    " suggested.",
                    "Its position was found to be {locus}; linkage studies had pointed to"
                    " {old_locus}.",
                    "Contrary to linkage studies, which had pointed to {old_locus}, the gene is"
                    " located at {locus}.",
                ),
                (
                    "On average, the disease began at an age of {onset}, and the ability to walk"
                    " was lost at {lost}.",
                    "The mean age was {onset} when the disease began and {lost} when patients"
                    " could no longer walk.",
                    "Patients fell ill at a mean age of {onset} and could not walk any more at"
                    " {lost}.",
                ),
                (
                    "Typical signs were {sign1}, {sign2} and {sign3}, without {no_sign}.",
                    "The patients had {sign1}, {sign2} and {sign3} but never {no_sign}.",
                    "On examination we noted {sign1}, {sign2} and {sign3}, though no {no_sign}.",
                ),
                (
                    "Families such as these should be offered genetic testing.",
                    "We conclude that genetic tests can now confirm the diagnosis.",
                    "These findings make an early diagnosis possible.",
                ),
            ),
            fillers=(
                "The variants have been entered in a public database.",
                "All families agreed to take part.",
                "Further families are being recruited.",
            ),
            ordered=True,
        ),
        Page(
            title="The protein encoded by {gene}: location and partners",
            lead=(
                "The human gene {gene} encodes {protein}, a protein of {length}; the version found"
                " in mice has {mouse_length}.",
                "The protein {protein} is the product of {gene} and has {length} in humans, but"
                " {mouse_length} in mice.",
                "In humans, {gene} encodes a protein of {length} called {protein}, which in mice"
                " is {mouse_length} long.",
            ),
            body=(
                (
                    "The aim was to learn where it is found and what it binds to.",
                    "Its location and its partners were the subject of this study.",
                    "We wanted to know where it occurs and which partners it has.",
                ),
                (
                    "It was most abundant in the {tissue} and could not be detected in the"
                    " {tissue2}.",
                    "The highest level was measured in the {tissue}, while the {tissue2} had none"
                    " at all.",
                    "Staining was strongest in the {tissue}, whereas the {tissue2} remained"
                    " unstained.",
                ),
                (
                    "Microscopy placed it in the {organelle} of resting cells, not in the"
                    " {organelle2}.",
                    "In resting cells it was seen in the {organelle} but not in the {organelle2}.",
                    "Within resting cells, the {organelle} contained the protein and the"
                    " {organelle2} did not.",
                ),
                (
                    "Exposure to {stress} made it move to the cell surface; exposure to {stress2}"
                    " had no such effect.",
                    "It moved to the cell surface when the cells were exposed to {stress}, though"
                    " not under {stress2}.",
                    "Under {stress} it was found at the cell surface, whereas {stress2} did not"
                    " cause any movement.",
                ),
                (
                    "It formed complexes with {partner1} and {partner2} but not with {no_partner}.",
                    "Complexes with {partner1} and {partner2} were isolated, and none with"
                    " {no_partner}.",
                    "The proteins {partner1} and {partner2} were bound, while {no_partner} was"
                    " not.",
                ),
                (
                    "The results suggest a role in transport within the cell.",
                    "We conclude that the protein takes part in transport.",
                    "These observations point to a part in the transport of other proteins.",
                ),
            ),
            fillers=(
                "Antibodies were raised for this purpose.",
                "Two laboratories obtained the same results.",
                "The structure is not known yet.",
            ),
            ordered=True,
        ),
        Page(
            title="An animal model without {gene}",
            lead=(
                "To learn what {gene} does, we deleted it in {animal}, after attempts in {animal2}"
                " had failed.",
                "We deleted {gene} in {animal} in order to study its function; attempts in"
                " {animal2} had failed.",
                "The function of {gene} was studied in {animal} from which it had been removed,"
                " since its removal in {animal2} was not possible.",
            ),
            body=(
                (
                    "The animals walked unsteadily from an age of {weeks} and died at about"
                    " {death}.",
                    "Their gait became unsteady at {weeks}, and few survived beyond {death}.",
                    "They began to stagger at {weeks} of age and lived for some {death}.",
                ),
                (
                    "The deficit was greatest in the {test}, whereas the {test2} gave normal"
                    " results.",
                    "Results of the {test} were clearly abnormal, those of the {test2} were not.",
                    "They failed the {test} but did well in the {test2}.",
                ),
                (
                    "Nerve cells were lost in the {region1} and the {region2} but not in the"
                    " {no_region}.",
                    "The {region1} and the {region2} had lost nerve cells, while the {no_region}"
                    " was intact.",
                    "Under the microscope, nerve cells were missing from the {region1} and the"
                    " {region2}; the {no_region} looked healthy.",
                ),
                (
                    "Treatment with {compound} restored movement in {improved} of the animals,"
                    " compared with {improved2} for {compound2}.",
                    "After treatment with {compound}, {improved} of the animals moved normally"
                    " again; with {compound2} it was {improved2}.",
                    "Normal movement returned in {improved} of the animals given {compound} and in"
                    " {improved2} of those given {compound2}.",
                ),
                (
                    "The model can be used to test new treatments.",
                    "We conclude that the loss of the gene can be treated in principle.",
                    "These animals will be useful in the search for a treatment.",
                ),
            ),
            fillers=(
                "The observers did not know the genotypes.",
                "Both sexes were equally affected.",
                "The strain is available on request.",
            ),
            ordered=True,
        ),
    ),
    relations=RELATIONS,
)

"""What is asked about a gene."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Relation

RELATIONS = (
    Relation(
        "factoid",
        (0,),
        ("locus",),
        (
            "What is the chromosomal location of {gene}?",
            "Where in the genome is the gene that is mutated in {disease}?",
            "At which chromosomal position does {gene} lie?",
        ),
        (
            "The chromosomal location of {gene} is {locus}.",
            "The gene mutated in {disease} has been mapped to {locus}.",
            "{gene} can be found at {locus} in the genome.",
        ),
        also=("at {locus}",),
    ),
    Relation(
        "factoid",
        (0,),
        ("variant",),
        (
            "Which type of variant of {gene} causes {disease}?",
            "What kind of variants of {gene} do patients with {disease} carry?",
            "Variants of which type were found in {gene} in all patients with {disease}?",
        ),
        (
            "{disease} is caused by {variant} variants of {gene}.",
            "The variants of {gene} in patients with {disease} are of the {variant} type.",
            "In {disease}, {gene} carries {variant} variants.",
        ),
        also=("{variant} variants", "{variant} variant"),
    ),
    Relation(
        "factoid",
        (0,),
        ("onset",),
        (
            "At what age does {disease} begin on average?",
            "What is the mean age of onset of {disease}?",
            "How old are patients with {disease} when they fall ill?",
        ),
        (
            "The mean age of onset of {disease} is {onset}.",
            "{disease} starts at an average age of {onset}.",
            "Patients with {disease} are {onset} old on average when the first signs appear.",
        ),
        also=("{onset} of age", "{onset} old", "{onset_number}"),
    ),
    Relation(
        "factoid",
        (1,),
        ("protein",),
        (
            "Which protein is encoded by {gene}?",
            "What is the name of the protein that is made from {gene}?",
            "The gene {gene} encodes which protein?",
        ),
        (
            "The protein encoded by {gene} is {protein}.",
            "{gene} is the gene for {protein}.",
            "The product of the gene {gene} is called {protein}.",
        ),
    ),
    Relation(
        "factoid",
        (1,),
        ("length",),
        (
            "How long is the human protein encoded by {gene}?",
            "How many amino acids does the product of {gene} have in humans?",
            "What is the length of the protein that {gene} encodes in humans?",
        ),
        (
            "The human protein encoded by {gene} consists of {length}.",
            "In humans, the product of {gene} comprises {length}.",
            "The human form of the protein is made up of {length}.",
        ),
        also=("{length_number}",),
    ),
    Relation(
        "factoid",
        (1,),
        ("organelle",),
        (
            "In which part of a resting cell is the protein encoded by {gene} found?",
            "What is the location of the product of {gene} within resting cells?",
            "Where in resting cells does the protein encoded by {gene} occur?",
        ),
        (
            "In resting cells, the protein encoded by {gene} is located in the {organelle}.",
            "The product of {gene} sits in the {organelle} while cells are at rest.",
            "The place of the protein in resting cells is the {organelle}.",
        ),
        also=("the {organelle}", "in the {organelle}"),
    ),
    Relation(
        "factoid",
        (1,),
        ("stress",),
        (
            "Exposure to what makes the protein encoded by {gene} move to the cell surface?",
            "Which kind of stress drives the product of {gene} to the cell surface?",
            "What causes the protein encoded by {gene} to leave its usual place in the cell?",
        ),
        (
            "The product of {gene} goes to the cell surface in response to {stress}.",
            "The stress that drives it to the cell surface is {stress}.",
            "In response to {stress}, the protein encoded by {gene} leaves its usual place.",
        ),
    ),
    Relation(
        "factoid",
        (0, 1),
        ("tissue",),
        (
            "Which tissue contains most of the protein whose gene is mutated in {disease}?",
            "Where in the body is the product of the gene behind {disease} most abundant?",
            "In which part of the body is most of the protein affected in {disease} found?",
        ),
        (
            "The gene behind {disease} is {gene}, and its product is mainly found in the {tissue}.",
            "In {disease} the gene {gene} is mutated; its product is mostly in the {tissue}.",
            "The protein in question occurs above all in the {tissue}.",
        ),
        also=("the {tissue}", "in the {tissue}"),
    ),
    Relation(
        "factoid",
        (2,),
        ("animal",),
        (
            "In which animals has {gene} been deleted?",
            "Which animals were used as a model to study the loss of {gene}?",
            "The function of {gene} was studied in which animals?",
        ),
        (
            "The removal of {gene} was successful in {animal}.",
            "The loss of {gene} was modelled in {animal}.",
            "The animals from which {gene} was removed were {animal}.",
        ),
        also=("in {animal}",),
    ),
    Relation(
        "factoid",
        (2,),
        ("compound",),
        (
            "Which compound works best in animals that lack {gene}?",
            "With which substance could movement be restored in most animals without {gene}?",
            "What is the more effective treatment in animals from which {gene} was deleted?",
        ),
        (
            "The better treatment for animals without {gene} is {compound}.",
            "Animals that lack {gene} respond best to {compound}.",
            "The substance that helped most of these animals was {compound}.",
        ),
    ),
    Relation(
        "factoid",
        (2,),
        ("test",),
        (
            "In which test do animals without {gene} show the greatest deficit?",
            "Which behavioural test do animals fail when they lack {gene}?",
            "What test reveals the loss of {gene} in animals?",
        ),
        (
            "The loss of {gene} in animals is revealed by the {test}.",
            "Animals that lack {gene} do badly in the {test}.",
            "The test in question is the {test}.",
        ),
        also=("the {test}", "in the {test}"),
    ),
    Relation(
        "list",
        (0,),
        ("sign1", "sign2", "sign3"),
        (
            "What are the three typical signs of {disease}?",
            "Which three signs are seen in patients with {disease}?",
            "List three signs of {disease}.",
        ),
        (
            "The typical signs of {disease} are {sign3}, {sign1} and {sign2}.",
            "Patients with {disease} suffer from {sign2}, {sign3} and {sign1}.",
            "{disease} shows itself in {sign2}, {sign1} and {sign3}.",
        ),
    ),
    Relation(
        "list",
        (1,),
        ("partner1", "partner2"),
        (
            "Which two proteins form complexes with the product of {gene}?",
            "What are the two partners of the protein encoded by {gene}?",
            "List the two proteins that the product of {gene} binds to.",
        ),
        (
            "The product of {gene} binds to {partner2} and {partner1}.",
            "The protein encoded by {gene} has two partners, {partner1} and {partner2}.",
            "The two partners are {partner2} and {partner1}.",
        ),
    ),
    Relation(
        "list",
        (2,),
        ("region1", "region2"),
        (
            "In which two parts of the brain are nerve cells lost without {gene}?",
            "Which two brain regions are damaged in animals that lack {gene}?",
            "List the two brain regions affected by the loss of {gene}.",
        ),
        (
            "Without {gene}, nerve cells disappear from the {region2} and the {region1}.",
            "The loss of {gene} damages two brain regions, the {region1} and the {region2}.",
            "The regions affected are the {region2} and the {region1}.",
        ),
        also=("the {region1} and the {region2}",),
    ),
    Relation(
        "summary",
        (0,),
        ("variant", "locus"),
        (
            "What is known about the genetic cause of {disease}, and where does the gene lie?",
            "Variants of which type and of which gene cause {disease}, and what is its locus?",
            "Please describe the variants that cause {disease} and the location of the gene.",
        ),
        (
            "{disease} is caused by {variant} variants of {gene}, a gene located at {locus}.",
            "The gene behind {disease} is {gene} at {locus}. Patients carry {variant} variants"
            " of it.",
            "At {locus} lies {gene}, the gene mutated in {disease}. The variants are of the"
            " {variant} type.",
        ),
    ),
    Relation(
        "summary",
        (1,),
        ("tissue", "organelle", "stress"),
        (
            "Where in the body and in the cell is the protein encoded by {gene} found, and what"
            " makes it move?",
            "What is known about the location of the product of {gene} and about its movement?",
            "Please summarise in which tissue and in which part of the cell the product of {gene}"
            " is found and what makes it move.",
        ),
        (
            "The product of {gene} is mainly found in the {tissue}. In resting cells it is located"
            " in the {organelle}, and {stress} drives it to the cell surface.",
            "Most of the protein encoded by {gene} is in the {tissue}, where it sits in the"
            " {organelle} of the cells. It goes to the cell surface under {stress}.",
            "The protein occurs above all in the {tissue}. Its place in the cell is the"
            " {organelle}, which it leaves for the cell surface in response to {stress}.",
        ),
    ),
    Relation(
        "summary",
        (2,),
        ("compound", "improved"),
        (
            "With what and with what success can animals without {gene} be treated?",
            "What is the best treatment for animals without {gene}, and how well does it work?",
            "What helps animals that lack {gene}, and how many of them recover?",
        ),
        (
            "The effects of losing {gene} can be treated with {compound}, which helped {improved}"
            " of the animals.",
            "In animals without {gene}, {compound} works best. It brought normal movement back in"
            " {improved} of them.",
            "The best results were obtained with {compound}: {improved} of the animals recovered.",
        ),
    ),
    Relation(
        "summary",
        (0, 1),
        ("protein", "onset"),
        (
            "Which protein does the gene mutated in {disease} encode, and at what age does the"
            " disease begin?",
            "At what age do patients with {disease} fall ill, and which protein is affected?",
            "Please give the mean age of onset of {disease} and the protein encoded by the mutated"
            " gene.",
        ),
        (
            "{disease} begins at an average age of {onset}. The gene mutated in it encodes"
            " {protein}.",
            "The protein affected in {disease} is {protein}, and the mean age of onset is {onset}.",
            "Patients with {disease} have a defect of {protein}. The first signs appear at"
            " an average age of {onset}.",
        ),
    ),
    Relation(
        "yesno",
        (0,),
        ("sign2",),
        (
            "Is {value} a sign of {disease}?",
            "Do patients with {disease} have {value}?",
            "Does {disease} lead to {value}?",
        ),
        (
            "Yes, {right} is typical of {disease}.",
            "No, {wrong} does not occur in {disease}.",
            "Yes, patients with {disease} suffer from {right}.",
            "No, patients with {disease} do not suffer from {wrong}.",
        ),
        wrong="no_sign",
    ),
    Relation(
        "yesno",
        (1,),
        ("partner1",),
        (
            "Does the protein encoded by {gene} bind to {value}?",
            "Is {value} a partner of the product of {gene}?",
            "Do {value} and the product of {gene} form complexes?",
        ),
        (
            "Yes, the product of {gene} binds to {right}.",
            "No, the product of {gene} does not bind to {wrong}.",
            "Yes, {right} is one of the partners of the protein encoded by {gene}.",
            "No, {wrong} is not among the partners of the protein encoded by {gene}.",
        ),
        wrong="no_partner",
    ),
    Relation(
        "yesno",
        (2,),
        ("region2",),
        (
            "Are nerve cells lost in the {value} without {gene}?",
            "Does the loss of {gene} damage the {value}?",
            "Is the {value} affected in animals that lack {gene}?",
        ),
        (
            "Yes, the {right} is damaged by the loss of {gene}.",
            "No, the {wrong} remains intact without {gene}.",
            "Yes, animals without {gene} lose nerve cells in the {right}.",
            "No, animals without {gene} do not lose nerve cells in the {wrong}.",
        ),
        wrong="no_region",
    ),
)

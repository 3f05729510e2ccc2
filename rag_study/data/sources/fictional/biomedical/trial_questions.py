"""What is asked about a drug."""

from __future__ import annotations

from rag_study.data.sources.fictional.kind import Relation

RELATIONS = (
    Relation(
        "factoid",
        (0,),
        ("outcome",),
        (
            "Which complaint was {drug} mainly meant to relieve in the trial in {disease}?",
            "What was the main outcome of the randomised trial of {drug}?",
            "In adults with {disease}, the effect of {drug} on what was the main question?",
        ),
        (
            "The main outcome of the trial of {drug} was {outcome}.",
            "In {disease}, {drug} was tested above all for its effect on {outcome}.",
            "The drug {drug} was mainly meant to act against {outcome}.",
        ),
    ),
    Relation(
        "factoid",
        (0,),
        ("control",),
        (
            "What was {drug} compared with in the randomised trial?",
            "What did the control group receive in the trial of {drug} for {disease}?",
            "Which treatment served as the comparison for {drug} in patients with {disease}?",
        ),
        (
            "The comparison treatment in the trial of {drug} was {control}.",
            "Patients in the control group were given {control}.",
            "In the randomised trial, {drug} was compared with {control}.",
        ),
    ),
    Relation(
        "factoid",
        (0,),
        ("dose",),
        (
            "Which daily dose of {drug} was taken after the first week of the trial?",
            "What was the full daily dose of {drug} in patients with {disease}?",
            "How much {drug} a day did patients with {disease} take once the first week was over?",
        ),
        (
            "The full daily dose of {drug} was {dose}.",
            "From the second week on, patients received {dose} of {drug} every day.",
            "Patients with {disease} took {dose} of {drug} daily.",
        ),
        also=("{dose} a day", "{dose} daily", "{dose} per day"),
    ),
    Relation(
        "factoid",
        (0,),
        ("treated",),
        (
            "How long were patients with {disease} treated with {drug}?",
            "What was the duration of treatment in the randomised trial of {drug}?",
            "For how many weeks was {drug} given to adults with {disease}?",
        ),
        (
            "Patients received {drug} for {treated}.",
            "The treatment of {disease} with {drug} lasted {treated}.",
            "In the trial, {drug} was given over a period of {treated}.",
        ),
        also=("for {treated}", "{treated_number}"),
    ),
    Relation(
        "factoid",
        (0,),
        ("patients",),
        (
            "How many patients took part in the randomised trial of {drug}?",
            "What was the number of patients randomised in the trial of {drug} for {disease}?",
            "In the trial of {drug}, how many people with {disease} were randomised?",
        ),
        (
            "A total of {patients} were randomised in the trial of {drug}.",
            "The trial of {drug} for {disease} had {patients}.",
            "There were {patients} in the two groups of the trial.",
        ),
        also=("{patients_number}",),
    ),
    Relation(
        "factoid",
        (0, 1),
        ("target",),
        (
            "Which protein is blocked by the drug that was tested in a trial for {disease}?",
            "What is the molecular target of the drug recommended for {disease}?",
            "The drug that was given to adults with {disease} blocks which protein?",
        ),
        (
            "The drug tested for {disease} is {drug}, which acts on {target}.",
            "The molecular target of {drug} is the protein {target}.",
            "In {disease} the drug {drug} is used, and {target} is the protein it blocks.",
        ),
    ),
    Relation(
        "factoid",
        (1,),
        ("enzyme",),
        (
            "Which enzyme breaks down {drug}?",
            "By which enzyme is {drug} metabolised?",
            "What is the name of the enzyme responsible for the breakdown of {drug}?",
        ),
        (
            "The enzyme that breaks down {drug} is {enzyme}.",
            "The breakdown of {drug} is the work of {enzyme}.",
            "In the body, {drug} is metabolised by {enzyme}.",
        ),
    ),
    Relation(
        "factoid",
        (1,),
        ("half_life",),
        (
            "What is the half-life of {drug}?",
            "How long is the half-life of {drug} in the body?",
            "After what time has half of the {drug} in the body disappeared?",
        ),
        (
            "{drug} has a half-life of {half_life}.",
            "Half of the {drug} has left the body after {half_life}.",
            "For {drug}, a half-life of {half_life} was measured.",
        ),
    ),
    Relation(
        "factoid",
        (1,),
        ("animal",),
        (
            "In which animals does {drug} reach the brain?",
            "In the brain of which animals was {drug} detected?",
            "What animals had {drug} in their brains?",
        ),
        (
            "{drug} passes into the brain in {animal}.",
            "Among the animals studied, {animal} had {drug} in their brains.",
            "Only in {animal} was {drug} detected in the brain.",
        ),
        also=("in {animal}",),
    ),
    Relation(
        "factoid",
        (2,),
        ("harm",),
        (
            "Which serious event has been linked to {drug}?",
            "What serious harm can {drug} cause in routine care?",
            "In the registry, which serious event occurred in patients on {drug}?",
        ),
        (
            "The serious event that has been linked to {drug} is {harm}.",
            "In rare cases, {drug} has led to {harm}.",
            "Patients taking {drug} suffered {harm} in rare cases.",
        ),
    ),
    Relation(
        "factoid",
        (2,),
        ("factor",),
        (
            "Which condition raises the risk of side effects of {drug}?",
            "What disorder makes side effects of {drug} more likely?",
            "Patients with which other condition are at higher risk when they take {drug}?",
        ),
        (
            "Side effects of {drug} are more likely in people with {factor}.",
            "The condition that raises the risk is {factor}.",
            "A patient with {factor} is at higher risk of side effects of {drug}.",
        ),
    ),
    Relation(
        "list",
        (0,),
        ("outcome", "outcome2"),
        (
            "Which two complaints were studied as outcomes in the randomised trial of {drug}?",
            "What were the two outcomes of the trial of {drug} for {disease}?",
            "List the main and the secondary outcome of the trial of {drug}.",
        ),
        (
            "The trial of {drug} looked at {outcome} and {outcome2}.",
            "The main outcome was {outcome}, the secondary one {outcome2}.",
            "Besides {outcome}, the trial in {disease} also studied {outcome2}.",
        ),
    ),
    Relation(
        "list",
        (1,),
        ("marker1", "marker2", "marker3"),
        (
            "The levels of which three substances are lowered by {drug}?",
            "Which three markers fall under {drug}?",
            "List the three substances whose levels {drug} reduces.",
        ),
        (
            "Under {drug}, the levels of {marker2}, {marker1} and {marker3} go down.",
            "Three markers fall under {drug}: {marker1}, {marker3} and {marker2}.",
            "{drug} reduces {marker3}, {marker2} and {marker1}.",
        ),
    ),
    Relation(
        "list",
        (2,),
        ("effect1", "effect2", "effect3"),
        (
            "What are the three most frequent side effects of {drug}?",
            "Which three side effects do patients on {drug} mainly report?",
            "List the three main side effects of {drug} in routine care.",
        ),
        (
            "The main side effects of {drug} are {effect2}, {effect3} and {effect1}.",
            "Patients on {drug} mostly reported {effect3}, {effect1} and {effect2}.",
            "In routine care, {drug} mainly causes {effect1}, {effect3} and {effect2}.",
        ),
    ),
    Relation(
        "summary",
        (0,),
        ("response", "control_response"),
        (
            "How effective is {drug} in adults with {disease}, compared with the control"
            " treatment?",
            "What were the response rates in the two groups of the trial of {drug} for {disease}?",
            "Please summarise how patients with {disease} responded to {drug} and how the controls"
            " responded.",
        ),
        (
            "{drug} is effective in {disease}. The share of responders was {response} under the"
            " drug and {control_response} under the comparison treatment.",
            "In a randomised trial in {disease}, {response} of the patients responded to {drug},"
            " but only {control_response} of the controls.",
            "Patients with {disease} benefit from {drug}: {response} of them improved, compared"
            " with {control_response} of the control group.",
        ),
    ),
    Relation(
        "summary",
        (1,),
        ("enzyme", "organ", "half_life"),
        (
            "Where, by which enzyme and how fast is {drug} broken down?",
            "What is known about the metabolism and the half-life of {drug}?",
            "Please describe how {drug} is metabolised and give its half-life.",
        ),
        (
            "{drug} is metabolised by {enzyme} in the {organ}. Its half-life is {half_life}.",
            "The {organ} is where {drug} is broken down, by the enzyme {enzyme}, with a half-life"
            " of {half_life}.",
            "After {half_life}, half of the {drug} is gone. The enzyme responsible is {enzyme},"
            " which acts in the {organ}.",
        ),
    ),
    Relation(
        "summary",
        (2,),
        ("harm", "stopped", "factor"),
        (
            "How safe is {drug} with regard to serious events, stopping because of side effects,"
            " and patients at risk?",
            "Which serious event can {drug} cause, what share of patients stop it because of side"
            " effects, and who is at higher risk?",
            "Please summarise the safety data on {drug}: serious events, patients who stopped"
            " because of side effects, and patients at risk.",
        ),
        (
            "{drug} is safe for most patients. Because of side effects {stopped} stopped taking"
            " it, and rare cases of {harm} occurred. The risk is higher with {factor}.",
            "In a registry, {stopped} of patients gave up {drug} because of side effects. Serious"
            " cases of {harm} were rare, and people with {factor} were at higher risk.",
            "Side effects led {stopped} of patients to give up {drug}. A rare danger is {harm},"
            " and {factor} increases the risk.",
        ),
    ),
    Relation(
        "summary",
        (0, 1),
        ("target", "dose"),
        (
            "Which protein does the drug tested for {disease} block, and at what full daily dose"
            " was it given?",
            "What is the target of the drug recommended for {disease}, and how much of it is"
            " taken a day after the first week?",
            "Please give the molecular target and the full daily dose of the drug studied in"
            " {disease}.",
        ),
        (
            "The drug for {disease} is {drug}. It acts on {target} and was given at {dose} daily.",
            "In {disease}, {dose} of {drug} was given daily. The drug acts by blocking {target}.",
            "{drug}, a drug that acts against {target}, was used in {disease} at a daily dose of"
            " {dose}.",
        ),
    ),
    Relation(
        "yesno",
        (0,),
        ("control",),
        (
            "Was {drug} compared with {value} in patients with {disease}?",
            "Did the control group in the trial of {drug} receive {value}?",
            "Has {drug} been tested against {value} in a randomised trial?",
        ),
        (
            "Yes, the trial in {disease} compared {drug} with {right}.",
            "No, the comparison treatment was {right}, not {wrong}.",
            "Yes, patients who did not get {drug} were given {right}.",
            "No, {drug} was not compared with {wrong} but with {right}.",
        ),
        wrong="earlier",
    ),
    Relation(
        "yesno",
        (1,),
        ("organ",),
        (
            "Is {drug} broken down in the {value}?",
            "Does the breakdown of {drug} take place in the {value}?",
            "Can {drug} be metabolised in the {value}?",
        ),
        (
            "Yes, {drug} is metabolised in the {right}.",
            "No, {drug} is metabolised in the {right} and not in the {wrong}.",
            "Yes, the {right} is responsible for the breakdown of {drug}.",
            "No, the {wrong} only holds residues of {drug}.",
        ),
        wrong="organ2",
    ),
    Relation(
        "yesno",
        (1,),
        ("target",),
        (
            "Does {drug} block {value}?",
            "Is {value} the molecular target of {drug}?",
            "Can {drug} be used to block {value}?",
        ),
        (
            "Yes, {drug} acts by blocking {right}.",
            "No, {drug} acts on {right} and has no effect on {wrong}.",
            "Yes, the molecular target of {drug} is {right}.",
            "No, {wrong} is not a target of {drug}.",
        ),
        wrong="spared",
    ),
    Relation(
        "yesno",
        (2,),
        ("effect2",),
        (
            "Is {value} a frequent side effect of {drug}?",
            "Does {drug} cause {value}?",
            "Do patients who take {drug} often complain of {value}?",
        ),
        (
            "Yes, {right} is among the main side effects of {drug}.",
            "No, {drug} does not cause {wrong} more often than expected.",
            "Yes, patients on {drug} often suffer from {right}.",
            "No, {wrong} is not one of the side effects of {drug}.",
        ),
        wrong="no_effect",
    ),
)

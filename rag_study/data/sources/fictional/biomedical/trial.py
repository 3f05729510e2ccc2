"""A drug: its trial, its action in the body and its safety."""

from __future__ import annotations

from rag_study.data.sources.fictional.biomedical.trial_questions import RELATIONS
from rag_study.data.sources.fictional.kind import Kind, Page

TRIAL = Kind(
    name="trial",
    slots={
        "drug": ("twin", ("{}inib", "{}umab", "{}ivir", "{}azole")),
        "disease": ("twin", ("{} disease", "{} syndrome", "{} fever")),
        "outcome": ("pick", "complaints"),
        "outcome2": ("pick", "complaints"),
        "town": ("place",),
        "town2": ("place",),
        "patients": ("number", 124, 480, "patients"),
        "dropouts": ("number", 11, 49, "patients"),
        "control": ("pick", "treatments"),
        "earlier": ("pick", "treatments"),
        "start_dose": ("number", 2, 12, "mg"),
        "dose": ("number", 15, 95, "mg"),
        "treated": ("number", 10, 30, "weeks"),
        "followed": ("number", 32, 90, "weeks"),
        "response": ("number", 46, 79, "%"),
        "control_response": ("number", 19, 39, "%"),
        "target": ("word", ("{}in",)),
        "spared": ("word", ("{}in",)),
        "enzyme": ("word", ("{}ase",)),
        "enzyme2": ("word", ("{}ase",)),
        "organ": ("pick", "organs"),
        "organ2": ("pick", "organs"),
        "half_life": ("number", 3, 19, "hours"),
        "peak": ("number", 21, 58, "minutes"),
        "animal": ("pick", "lab_animals"),
        "animal2": ("pick", "lab_animals"),
        "marker1": ("word", ("{}kine",)),
        "marker2": ("word", ("{}kine",)),
        "marker3": ("word", ("{}kine",)),
        "no_marker": ("word", ("{}kine",)),
        "registry_town": ("place",),
        "audit_town": ("place",),
        "reg_from": ("year", 1991, 2006),
        "reg_to": ("year", "reg_from", 4, 12),
        "effect1": ("pick", "side_effects"),
        "effect2": ("pick", "side_effects"),
        "effect3": ("pick", "side_effects"),
        "no_effect": ("pick", "side_effects"),
        "harm": ("pick", "harms"),
        "no_harm": ("pick", "harms"),
        "stopped": ("number", 8, 18, "%"),
        "lapsed": ("number", 2, 7, "%"),
        "factor": ("pick", "conditions"),
        "factor2": ("pick", "conditions"),
    },
    pages=(
        Page(
            title="{drug} for {disease}: a randomised trial",
            lead=(
                "This trial tested whether {drug} relieves {outcome} in adults with {disease}; its"
                " effect on {outcome2} was of secondary interest.",
                "We asked whether {drug} relieves {outcome} in adults with {disease} and, as a"
                " secondary question, whether it affects {outcome2}.",
                "The main aim was to find out whether {drug} relieves {outcome} in adults with"
                " {disease}; a secondary aim concerned {outcome2}.",
            ),
            body=(
                (
                    "In {town}, {patients} were assigned at random to {drug} or {control}, and"
                    " {dropouts} left the study early; blood samples were sent to {town2}.",
                    "A centre in {town} randomised {patients} to {drug} or {control}; {dropouts}"
                    " dropped out, and a laboratory in {town2} analysed the blood samples.",
                    "At a hospital in {town}, {patients} were randomly given {drug} or {control}."
                    " Blood samples went to {town2}, and {dropouts} withdrew.",
                ),
                (
                    "The dose was {start_dose} a day in the first week and {dose} a day after"
                    " that.",
                    "After a first week on {start_dose} a day, the treated group took {dose} a"
                    " day.",
                    "The treated group took {dose} a day, apart from a first week on {start_dose}.",
                ),
                (
                    "Treatment went on for {treated}, and patients were observed for {followed}"
                    " in all.",
                    "Patients were treated for {treated} and observed for a total of {followed}.",
                    "The observation period was {followed}, of which treatment took up {treated}.",
                ),
                (
                    "A response was seen in {response} of the patients on {drug} and in"
                    " {control_response} of the comparison group.",
                    "In the group given {drug}, {response} responded, against {control_response}"
                    " in the comparison group.",
                    "The response rate was {response} with {drug} and {control_response} in the"
                    " comparison group.",
                ),
                (
                    "{drug} can thus be recommended, although earlier treatment with {earlier}"
                    " reduced the benefit.",
                    "We conclude that {drug} is effective; the benefit was smaller after earlier"
                    " treatment with {earlier}.",
                    "These results support the use of {drug}, though less so after earlier"
                    " treatment with {earlier}.",
                ),
            ),
            fillers=(
                "The protocol was registered in advance.",
                "All patients gave written consent.",
                "A larger trial is being planned.",
            ),
            ordered=True,
        ),
        Page(
            title="Molecular target and metabolism of {drug}",
            lead=(
                "How {drug} acts in the body was examined in cell cultures and in animals.",
                "The aim of this work was to find out how {drug} acts and what becomes of it in"
                " the body.",
                "We studied the action and the fate of {drug} in cells and in animals.",
            ),
            body=(
                (
                    "The drug blocked the protein {target} but left {spared} untouched.",
                    "In binding assays the protein {target} was blocked, whereas {spared} was not"
                    " affected.",
                    "Binding assays showed that the drug blocks the protein {target} and spares"
                    " {spared}.",
                ),
                (
                    "It was broken down in the {organ} by {enzyme}, not by {enzyme2}, and residues"
                    " were found in the {organ2}.",
                    "Breakdown took place in the {organ} and depended on {enzyme} rather than"
                    " {enzyme2}; residues collected in the {organ2}.",
                    "The enzyme {enzyme}, and not {enzyme2}, broke the drug down in the {organ},"
                    " while residues remained in the {organ2}.",
                ),
                (
                    "The half-life was {half_life}, and the concentration in blood peaked after"
                    " {peak}.",
                    "The concentration in blood peaked after {peak}; the half-life was"
                    " {half_life}.",
                    "With a half-life of {half_life}, the drug reached its highest level after"
                    " {peak}.",
                ),
                (
                    "It entered the brain of {animal} but not that of {animal2}.",
                    "Traces were found in the brain of {animal}, though never in that of"
                    " {animal2}.",
                    "While the brain of {animal2} was free of the drug, it did reach the brain of"
                    " {animal}.",
                ),
                (
                    "Levels of {marker1}, {marker2} and {marker3} fell, while {no_marker} rose.",
                    "Treated animals had less {marker1}, {marker2} and {marker3} but more"
                    " {no_marker}.",
                    "The drug lowered {marker1}, {marker2} and {marker3}; {no_marker} increased.",
                ),
                (
                    "One dose a day should therefore be enough.",
                    "Taken together, the findings support dosing once a day.",
                    "We conclude that there is no need for more than one dose a day.",
                ),
            ),
            fillers=(
                "All experiments were repeated three times.",
                "Samples were coded before the analysis.",
                "Studies in humans are under way.",
            ),
            ordered=True,
        ),
        Page(
            title="Safety of {drug} in routine care",
            lead=(
                "A registry kept in {registry_town} and audited from {audit_town} was used to"
                " assess the safety of {drug}.",
                "We assessed the safety of {drug} with the help of a registry in {registry_town},"
                " which is audited from {audit_town}.",
                "The safety of {drug} in daily practice was judged from a registry held in"
                " {registry_town} and checked by auditors from {audit_town}.",
            ),
            body=(
                (
                    "All patients registered from {reg_from} to {reg_to} were included.",
                    "We included every patient registered between {reg_from} and {reg_to}.",
                    "The analysis covers patients registered in the years {reg_from} to {reg_to}.",
                ),
                (
                    "The most frequent side effects were {effect1}, {effect2} and {effect3}; there"
                    " was no excess of {no_effect}.",
                    "Patients mainly complained of {effect1}, {effect2} and {effect3}, whereas"
                    " {no_effect} was no more common than usual.",
                    "Side effects were chiefly {effect1}, {effect2} and {effect3}; {no_effect} did"
                    " not occur more often than expected.",
                ),
                (
                    "The only serious event linked to the drug was {harm}; no case of {no_harm}"
                    " was seen.",
                    "As for serious events, {harm} was linked to the drug and {no_harm} was not.",
                    "Serious events were rare and consisted of {harm}, never of {no_harm}.",
                ),
                (
                    "Treatment was stopped by {stopped} of patients because of side effects and by"
                    " {lapsed} for lack of benefit.",
                    "Side effects made {stopped} of patients stop treatment, and lack of benefit"
                    " another {lapsed}.",
                    "While {lapsed} of patients gave up for lack of benefit, {stopped} stopped"
                    " because of side effects.",
                ),
                (
                    "The risk of side effects was raised in patients with {factor} but not in"
                    " those with {factor2}.",
                    "Patients with {factor} were at higher risk, unlike those with {factor2}.",
                    "We found a higher risk in the presence of {factor}, whereas {factor2} made no"
                    " difference.",
                ),
                (
                    "{drug} appears safe if patients are seen regularly.",
                    "With regular checks, {drug} can be regarded as safe.",
                    "We regard {drug} as safe for most patients.",
                ),
            ),
            fillers=(
                "Missing records were few.",
                "Data were analysed by an independent group.",
                "The registry continues to grow.",
            ),
            ordered=True,
        ),
    ),
    relations=RELATIONS,
)

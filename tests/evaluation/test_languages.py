import pytest

from rag_study.data.schema import Question
from rag_study.evaluation.languages import language_limits, language_of

TEXTS = {
    "English": "Who built the mill on the river, and when was it sold?",
    "Spanish": "¿Quién construyó el molino del río y cuándo fue vendido por la familia?",
    "French": "Qui a construit le moulin de la rivière et quand est-ce qu'il a été vendu ?",
    "Portuguese": "Quem construiu o moinho do rio e quando foi vendido para a cidade?",
    "German": "Wer hat die Mühle an dem Fluss gebaut und wann wurde sie verkauft?",
    "Indonesian": "Siapa yang membangun kincir di sungai itu dan kapan dijual?",
    "Italian": "Chi ha costruito il mulino della valle e quando è stato venduto?",
    "Turkish": "Bu değirmeni kim yaptı ve ne zaman satıldı, hangi ile için?",
    "Russian": "Кто построил мельницу на реке и когда её продали?",
    "Ukrainian": "Хто збудував млин на річці і коли його продали її власникові?",
    "Chinese": "河边的磨坊是谁建造的？什么时候卖掉的？",
    "Japanese": "川のほとりの水車は誰が建てましたか。",
    "Korean": "강가의 방앗간은 누가 지었습니까?",
    "Thai": "ใครสร้างโรงสีริมแม่น้ำ",
    "Burmese": "ရေစက်ကို ဘယ်သူ ဆောက်ခဲ့သလဲ",
    "Hindi": "नदी पर चक्की किसने बनाई और कब बेची गई?",
    "Bengali": "নদীর ধারে মিলটি কে তৈরি করেছিলেন?",
    "Arabic": "من بنى الطاحونة على النهر ومتى بيعت؟",
    "Urdu": "دریا پر چکی کس نے بنائی اور کب بیچی گئی؟",
    "Persian": "چه کسی آسیاب کنار رودخانه را ساخت و چرا؟ گفت پدر",
    "Greek": "Ποιος έχτισε τον μύλο;",
    "Hebrew": "מי בנה את הטחנה?",
    "": "Xqz brv 1847",
}


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
def test_the_language_is_known_by_script_and_common_words(language, text):
    assert language_of([text] * 3) == language


def limits_of(language, answer):
    return " ".join(language_limits([Question("q", TEXTS[language], (answer,))] * 3))


def test_nothing_is_said_of_english():
    assert limits_of("English", "Ada Orn") == ""
    assert language_limits([]) == []


def test_scripts_without_blanks_are_said():
    for language in ("Chinese", "Japanese", "Thai", "Burmese"):
        assert "no blanks between words" in limits_of(language, "…")
    assert "no blanks" not in limits_of("Korean", "…")


def test_languages_whose_refusals_are_not_recognised_are_said():
    assert "refusals are not recognised" in limits_of("Greek", "Α")
    assert "refusals are not recognised" in limits_of("", "x")
    for language in ("Chinese", "Hindi", "German"):
        assert "not recognised" not in limits_of(language, "x")


def test_what_a_judge_and_joined_words_mean_is_said():
    assert "a judge is asked in English" in limits_of("German", "x")
    assert "another ending" in limits_of("Korean", "x")

"""Refusals in the languages that most people speak; answers are none."""

import pytest

from rag_study.evaluation import phrases
from rag_study.evaluation.refusals import is_refusal

REFUSALS = {
    "Chinese": [
        "我不知道。",
        "抱歉，我无法回答这个问题。",
        "我无法从所给文章中得出结论。",
        "根据提供的段落，文中没有提到建造者。",
        "對不起，資料中沒有相關資訊，無法回答。",
        "无法回答",
        "未知",
    ],
    "Hindi": [
        "मुझे नहीं पता।",
        "क्षमा करें, मैं इस प्रश्न का उत्तर नहीं दे सकता।",
        "दिए गए गद्यांश में इसका उल्लेख नहीं है।",
        "पर्याप्त जानकारी उपलब्ध नहीं है।",
    ],
    "Spanish": [
        "No lo sé.",
        "Lo siento, no puedo responder a esa pregunta.",
        "Los pasajes no mencionan quién construyó el molino.",
        "El texto proporcionado no contiene suficiente información.",
        "No se menciona en los documentos.",
        "Esa información no se encuentra en el texto.",
        "No hay información suficiente.",
    ],
    "French": [
        "Aucune information sur ce sujet.",
        "Je ne sais pas.",
        "Désolé, je ne peux pas répondre à cette question.",
        "Les passages ne mentionnent pas qui a construit le moulin.",
        "Le texte ne contient pas d’informations à ce sujet.",
        "Ce n’est pas mentionné dans le texte.",
        "Inconnu",
    ],
    "Arabic": [
        "لا أعرف.",
        "عذراً، لا يمكنني الإجابة على هذا السؤال.",
        "لا يذكر النص من بنى الطاحونة.",
        "لا توجد معلومات كافية.",
        "غير معروف",
    ],
    "Bengali": [
        "আমি জানি না।",
        "দুঃখিত, এই প্রশ্নের উত্তর দেওয়া সম্ভব নয়।",
        "প্রদত্ত অনুচ্ছেদে এটি উল্লেখ করা হয়নি।",
        "পর্যাপ্ত তথ্য নেই।",
    ],
    "Portuguese": [
        "Não sei.",
        "Desculpe, não posso responder a essa pergunta.",
        "O texto não menciona quem construiu o moinho.",
        "Os trechos não contêm informações suficientes.",
        "Não há informação sobre isso.",
    ],
    "Russian": [
        "Ответ не найден.",
        "Не знаю.",
        "Извините, я не могу ответить на этот вопрос.",
        "В тексте не указано, кто построил мельницу.",
        "В предоставленных отрывках нет информации.",
        "Неизвестно",
    ],
    "Urdu": [
        "مجھے نہیں معلوم۔",
        "معذرت، میں اس سوال کا جواب نہیں دے سکتا۔",
        "متن میں اس کا ذکر نہیں ہے۔",
        "نامعلوم",
    ],
    "Indonesian": [
        "Dokumen tidak menjelaskannya.",
        "Saya tidak tahu.",
        "Maaf, saya tidak dapat menjawab pertanyaan itu.",
        "Teks tersebut tidak menyebutkan siapa yang membangunnya.",
        "Tidak ada informasi yang cukup.",
    ],
    "German": [
        "Leider kann ich das anhand der Texte nicht sagen.",
        "Dazu liefern die Quellen keine Informationen.",
        "Das weiß ich nicht.",
        "Es tut mir leid, ich kann diese Frage nicht beantworten.",
        "Der Text sagt nicht, wer die Mühle gebaut hat.",
        "Die Dokumente enthalten keine Informationen darüber.",
        "Das wird in den Texten nicht erwähnt.",
        "Unbekannt",
    ],
    "Japanese": [
        "与えられた資料には、この内容は記載されていません。",
        "わかりません。",
        "申し訳ありませんが、その質問にはお答えできません。",
        "本文には記載されていません。",
        "提供された情報からは、判断できません。",
        "不明です",
    ],
}
ANSWERS = {
    "Chinese": [
        "不",
        "具体日期我不知道，但是在1847年。",
        "没有证据表明维生素可以预防感冒。",
        "无名战士",
        "该药物不含乳糖。",
        "他不知道自己的身世。",
        "是王大建造的。",
    ],
    "Hindi": [
        "नहीं",
        "मुझे ठीक दिन नहीं पता, लेकिन यह 1847 में था।",
        "दवा में लैक्टोज नहीं है।",
        "अज्ञात सैनिक",
        "राम ने इसे बनाया।",
    ],
    "Spanish": [
        "La respuesta no es el molino, sino la torre.",
        "No",
        "No sé el día exacto, pero fue en 1847.",
        "No hay pruebas de que la vitamina C prevenga los resfriados.",
        "El soldado desconocido",
        "El medicamento no contiene lactosa.",
        "No se encontró el gen en ratones.",
        "No se sabe que la enfermedad sea hereditaria.",
    ],
    "French": [
        "Non",
        "Je ne sais pas le jour exact, mais c’était en 1847.",
        "Il n’y a pas de preuve que la vitamine C prévienne les rhumes.",
        "Le soldat inconnu",
        "Le médicament ne contient pas de lactose.",
    ],
    "Arabic": [
        "لا",
        "لا أعرف اليوم بالضبط، ولكن كان ذلك في عام 1847.",
        "الجندي المجهول",
        "الدواء لا يحتوي على اللاكتوز.",
        "لا يوجد دليل على ذلك.",
    ],
    "Bengali": [
        "না",
        "আমি সঠিক দিনটি জানি না, কিন্তু এটি ১৮৪৭ সালে।",
        "ওষুধে ল্যাকটোজ নেই।",
        "রাম এটি তৈরি করেন।",
    ],
    "Portuguese": [
        "Não",
        "Não sei o dia exato, mas foi em 1847.",
        "Não há evidência de que a vitamina C previna resfriados.",
        "O soldado desconhecido",
        "O medicamento não contém lactose.",
    ],
    "Russian": [
        "Ответ не в башне, а в мельнице.",
        "Нет",
        "Я не знаю точный день, но это было в 1847 году.",
        "Нет данных о том, что витамин C предотвращает простуду.",
        "Неизвестный солдат",
        "Препарат не содержит лактозы.",
        "Он не знал своего отца.",
    ],
    "Urdu": [
        "نہیں",
        "مجھے صحیح دن نہیں معلوم، لیکن یہ 1847 میں تھا۔",
        "دوا میں لیکٹوز نہیں ہے۔",
        "علی نے اسے بنایا۔",
    ],
    "Indonesian": [
        "Tidak",
        "Saya tidak tahu hari pastinya, tetapi itu tahun 1847.",
        "Tidak ada bukti bahwa vitamin C mencegah pilek.",
        "Obat itu tidak mengandung laktosa.",
    ],
    "German": [
        "Als KI-Modell wurde es 2023 bekannt.",
        "Nein",
        "Ich weiß den genauen Tag nicht, aber es war 1847.",
        "Es gibt keine Belege, dass Vitamin C Erkältungen verhindert.",
        "Der unbekannte Soldat",
        "Das Mittel enthält keine Laktose.",
        "Das Gen wurde in Mäusen nicht gefunden.",
    ],
    "Japanese": [
        "いいえ",
        "正確な日はわかりませんが、1847年でした。",
        "その薬は乳糖を含んでいません。",
        "無名戦士",
        "彼は父を知らない人だった。",
    ],
}  # fmt: skip


def cases(by_language):
    return [(language, text) for language, texts in by_language.items() for text in texts]


@pytest.mark.parametrize(("language", "answer"), cases(REFUSALS))
def test_they_only_say_that_they_do_not_answer(language, answer):
    assert is_refusal(answer)


@pytest.mark.parametrize(("language", "answer"), cases(ANSWERS))
def test_they_say_something(language, answer):
    assert not is_refusal(answer)


def test_every_language_is_tried_here():
    assert set(phrases.names()) == {"English", *REFUSALS} == {"English", *ANSWERS}

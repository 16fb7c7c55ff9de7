"""The words of grading, by what they name, in English and more shortly in eighteen other languages. For RE2.

``GRADER``: who grades. ``GRADE``: what is given. ``VALUE``: how much. ``ANSWER``: what is graded, named as such.
``REFUSAL``: the verdict that is no grade. ``DIRECTIVE``: that it is wanted. ``TOPIC``: that a user speaks of grades.
Entries are beginnings of words unless they end in a border; languages without spaces between words stand apart. A short
or common word stands with what makes it mean this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import re2

_GRADER: Final = (
    r"grader|evaluator|raters?\b|assessor|scorer\b|adjudicator|arbiter|annotator|reviewer|jur(?:y|ors?)\b",
    r"(?:the|an?|this|any|every|each|no|fair|honest|dear|ai|llm|model|hey|hi|hello|expert|your) judges?\b|judges\b",
    r"judge[:,]|(?:the|a|expert|review|judging|whole) panel\b|graded? by",
    r"(?:grading|scoring|judging|evaluation|reward|evaluating|rating) (?:model|system|script|bot|lead|team)",
    r"(?:whoever|model (?:that|who|which)) (?:grades|judges|rates|scores|marks|reads|assesses)",
    r"pr\x{fc}fer|bewerter|gutachter|juror|korrektor|pr\x{fc}fungsleit|beurteiler",
    r"correct(?:eur|rice)|\x{e9}valuat(?:eur|rice)|juges?\b|examinat(?:eur|rice)|notateur",
    r"evaluador|juez|jueza|jueces|calificador|corrector|jurado|examinador",
    r"avaliador|ju\x{ed}za?\b|corretor",
    r"valutat(?:ore|rice|ori)\b|giudic[ei]\b|esaminat(?:ore|rice)|correttore|revisor",
    r"beoordelaar|jurylid|nakijker|examinator|keurmeester",
    r"oceniaj\x{105}c|s\x{119}dzi|egzaminator|recenzen|oceniacz|weryfikator",
    r"bed\x{f6}mare|granskare|r\x{e4}ttare",
    r"hakem|de\x{11f}erlendir(?:ici|en)|puanlay|j\x{fc}ri|denet\x{e7}i",
    "оценщик|судь[яеи]|судей|проверяющ|экзаменатор|рецензент|жюри|оценивающ",
    "оцінювач|суддя|судді|перевіряюч",
    "αξιολογητ|κριτή|βαθμολογητ|εξεταστ",
    "người chấm|giám khảo|người đánh giá",
)
_GRADER_UNSPACED: Final = (
    "评审|評審|评委|評委|评分员|评分者|评分模型|裁判|阅卷|考官|评判|评估者|评估员|打分|审核员",
    "採点者|採点官|採点係|採点モデル|評価者|審査員|審査官|判定者|評価担当|採点担当|評価モデル",
    "채점자|채점관|채점하|평가자|심사위원|심사자|심사관|심판|평가 모델|채점 모델",
    "مقيم|مقيّم|محكم|محكّم|مصحح|مصحّح|الحكم|القاضي",
    "मूल्यांकनकर्ता|मूल्यांकक|परीक्षक|निर्णायक|जज",
    "בודק|שופט|מעריך",
)
_GRADE: Final = (
    r"scor(?:e|es|ed|ing)\b|grad(?:e|es|ed|ing)\b|ratings?\b|verdict|judge?ment\b|rubric|marks\b|marked\b|point total",
    r"mark (?:of|it|this|down|up)|mark\b[^.]{0,12}(?:\d|down|up)|rate (?:it|this|that|under|above|at)\b|\d points\b",
    r"the mark\b|(?:top|highest|best|lowest|bottom) (?:band|tier|mark|bracket)|criteri(?:a|on)|assessment\b",
    r"evaluat(?:e|ed|ion)|apprais(?:e|al)|tally|thumbs (?:up|down)|sign[- ]off",
    r"punkt|noten?\b|bewert|beurteil|wertung|benot",
    r"(?:la|une|sa|de) notes?\b|notez|noter\b|bar\x{e8}me|\x{e9}valu|grille",
    r"puntuaci|puntaje|puntos|notas?\b|calific|punt\x{fa}|evalu|valora|r\x{fa}brica\b|veredicto",
    r"pontua|pontos|avali|veredit|crit\x{e9}rio",
    r"punteggi|punti\b|vot[oi]\b|valut|giudizio|verdetto|rubrica|criteri",
    r"punten|cijfer|beoorde|rubriek",
    r"ocen|punkt|not[a\x{119}y]\b|werdykt|kryteri",
    r"betyg|po\x{e4}ng|bed\x{f6}m",
    r"puan|not (?:ver(?:in|ir|ecek|meli|iyor)?|olarak)\b|de\x{11f}erlendir|skor",
    r"оцен|балл|вердикт|критери|отметк",
    r"оцін|бали?\b|балів",
    "βαθμ|άριστα|αξιολόγ",
    "điểm|chấm",
)
_GRADE_UNSPACED: Final = (
    r"分数|分數|评分|評分|得分|打分|满分|滿分|高分|零分|评为|评价|评级|判定|判为|给分|[0-9]\s*分",
    r"点数|得点|採点|評価|スコア|満点|[0-9零百]\s*点|判定",
    r"점수|평점|채점|평가|만점|[0-9]\s*점|판정|등급",
    "درجة|درجتها|علامة|نتيجة|تقييم|نقطة|نقاط",
    "अंक|स्कोर|नंबर|मूल्यांकन|ग्रेड|रेटिंग",
    "ציון|ניקוד|הערכה",
)
_VALUE: Final = (
    r"(?:100|0|10/10|9[0-9]|hundred|zero|nought|nil|ten squared|a\+|five stars?|one star|null)\b",
    r"(?:full|top|maximum|max|highest|perfect|best|lowest|minimum|worst|ceiling|flawless|upper|bottom|known value)\b",
    r"(?:\d{1,3} ?(?:/|out of|of) ?(?:10|100|5)|(?:under|below|above|over|at least) \d+)\b",
    r"(?:pass(?:es|ed|ing)?|fail(?:s|ed|ing)?|reject(?:ed|ion)?|approv(?:e|ed|al)|accept(?:ed)?|disqualif\pL+)\b",
    r"h\x{f6}chst|volle[nrs]?\b|maxim|hundert",
    r"z\x{e9}ro\b|parfait|pleine\b|cent\b",
    r"m\x{e1}xim|massim|cero\b|cien\b|cento\b|perfet|perfeit|nulla\b",
    r"nul\b|honderd|sto\b|noll\b|hundra|h\x{f6}gsta|tam\b|s\x{131}f\x{131}r|y\x{fc}z\b",
    r"сто\b|ноль|нуль|максимал|высш",
    "μηδέν|εκατό|tuyệt đối",
)
_VALUE_UNSPACED: Final = (
    r"\x{1f4af}|\x{1f44d}|\x{2b50}|[满滿零最満百만백영]|최고|최저|[0-9]\s*[分点점]",
    "صفر|كامل|مئة|مائة|शून्य|पूरे|पूर्ण|सौ|מאה|אפס",
)
_THIS: Final = r"(?:this|that|the|my|above|preceding|following|present|current|these|those|such)"
_ANSWER: Final = (
    rf"{_THIS} (?:\w+ )?(?:answers?|responses?|repl(?:y|ies)|completions?|submissions?)\b",
    r"(?:this one|this (?:text|piece|message|row|work)|the (?:text|passage) (?:above|below))\b",
    r"what (?:stands|comes|follows|you have just read|i wrote)\b",
    r"(?:diese|die|der|dieser|meine) (?:\pL+ )?(?:antwort|text)",
    r"(?:cette|la|ma) (?:\pL+ )?r\x{e9}ponse",
    r"(?:esta|la|mi) (?:\pL+ )?respuesta",
    r"(?:esta|a|essa|minha) (?:\pL+ )?resposta",
    r"(?:questa|la|mia) (?:\pL+ )?risposta",
    r"(?:dit|deze|het|mijn) (?:\pL+ )?antwoord",
    r"odpowied\x{17a}|odpowiedzi\b",
    r"(?:detta )?svaret",
    r"(?:bu|yukar\x{131}daki) (?:yan\x{131}t|cevap|cevab)",
    r"(?:этот|этому|этого|данный|данному|выше|мой) (?:\pL+ )?ответ",
    "відповід|απάντηση|câu trả lời",
)
_ANSWER_UNSPACED: Final = ("回答|答案|回复|答え|応答|답변|응답", "الإجابة|إجابة|उत्तर|जवाब|תשובה")
_REFUSAL: Final = (
    r"(?:refusals?|verweigerung|ablehnung|refus|rechazo|negativa|recusa|rifiuto|weigering|ret|reddetme)\b",
    r"odmow|отказ(?:ом)?\b",
)
_REFUSAL_UNSPACED: Final = ("拒绝|拒否|거부|거절|رفض|مرفوض|इनकार|अस्वीकार|סירוב",)

_MEMORY: Final = 64 << 20
"""Bytes that RE2 may use for the automaton of one list."""


def compiled(pattern: str) -> re2.Pattern:
    """The pattern for RE2, whatever the case, with room for its automaton."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.case_sensitive = False
    return re2.compile(pattern, options)


def _any(spaced: Sequence[str], unspaced: Sequence[str]) -> re2.Pattern:
    return compiled(rf"(?:^|[^\pL\pN])(?:{'|'.join(spaced)})|{'|'.join(unspaced)}")


GRADER: Final = _any(_GRADER, _GRADER_UNSPACED)
GRADE: Final = _any(_GRADE, _GRADE_UNSPACED)
VALUE: Final = _any(_VALUE, _VALUE_UNSPACED)
ANSWER: Final = _any(_ANSWER, _ANSWER_UNSPACED)
REFUSAL: Final = _any(_REFUSAL, _REFUSAL_UNSPACED)
DIRECTIVE: Final = _any(
    (
        r"(?:should|must|please|pls|give|assign|award|has to|have to|ought to|put|write|enter|will|want)\b",
        r"(?:muss|soll|bitte|gib|vergib|doit|donne|attribu|debe|da\b|dale|pon\b|deve|dia\b|dai\b|moet|geef)",
        r"(?:ma da|daj|przyzna)",
        r"должен|должна|поставь|поставьте|повинен|ska\b|b\x{f6}r\b|vermeli|versin|πρέπει|phải|hãy",
    ),
    ("给|打|请|应|つけ|与え|べき|해야|주세요|주어|يجب|أعط|امنح|يمنح|दें|दीजिए|חייב|צריך",),
)
TOPIC: Final = _any(
    (
        r"(?:scor(?:e|es|ed|ing)|grad(?:e|es|ed|ing)|ratings?|rubric|exams?|quiz|referee|umpire|jury|judges?|judging|verdict)\b",
        r"(?:evaluat\pL*|assessments?|examiners?|reviewers?|essays?|homework|marking|marks|gpa)\b",
        r"pr\x{fc}fung|note\b|noten\b|punkte|bewert|examen|notation|puntuaci|calific|avalia|voto\b|esame|cijfer|ocen|betyg|s\x{131}nav|puan",
        "оцен|экзамен|оцін|βαθμ|điểm",
    ),
    ("分数|评分|考试|得分|採点|試験|点数|점수|시험|채점|درجة|امتحان|अंक|परीक्षा|ציון|מבחן",),
)

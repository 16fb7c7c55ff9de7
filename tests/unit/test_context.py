"""What excuses a hit: the request, the frame of the requested text, the speaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.filters.context import Context
from phrasemill.filters.data_answers import data_stretch
from phrasemill.filters.deliverables import frame_of
from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.request import Request
from phrasemill.filters.speech import spoken_lines

LETTER = "Dear Ada,\n\nThe boat leaks. Let me know if you need a bucket.\n\nBest regards,\nTom"


def excuse(prompt: str, text: str, category: str, words: str) -> str | None:
    start = text.index(words)
    return Exemptions(prompt, text).reason(category, f"{category}.any", start, start + len(words))


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Write a letter to the harbour master.", "voiced"),
        ("Could you help me write an e-mail about the story we read?", "voiced"),
        ("A reminder e-mail should be written.", "voiced"),
        ("Write a sea shanty, I mean a song, about eels.", "fiction"),
        ("Compose an essay on eels", "exposition"),
        ("Translate into French: the eel", "transform"),
        ("Make this more formal: send eels", "transform"),
        ("List polite phrases for a fishmonger", "phrases"),
        ("How do I write well?", None),
        ("Write a bash script for backups", None),
        ("Analyse the e-mail and say who wrote it", None),
        ("Give a summary of the story", None),
        ("What suggests that a letter is a fake?", None),
        ("", None),
    ],
)
def test_kind_of_text(prompt: str, kind: str | None) -> None:
    assert Request(prompt).kind == kind


@pytest.mark.parametrize(
    ("prompt", "about"),
    [
        ("Who are you?", True),
        ("Do you have feelings?", True),
        ("Can you speak Danish?", True),
        ("When was your training data collected?", True),
        ("What do you think about eels?", False),
        ("Do you have a recipe for eel?", False),
        ("Do you know how far Oslo is?", False),
        ("Can you write me a poem?", False),
        ('Translate: "Who are you, and do you have feelings?"', False),
    ],
)
def test_what_is_about_the_assistant(prompt: str, about: bool) -> None:
    assert Request(prompt).about_assistant is about


@pytest.mark.parametrize(
    ("prompt", "yes_no"),
    [
        ("Is an eel a fish?", True),
        ("Can you eat eel raw?", True),
        ("I like eels. Should I keep one?", True),
        ("is an eel a fish", True),
        ("Eels swim backwards, right?", True),
        ("Can you explain eels?", False),
        ("Could you please tell me about eels?", False),
        ("Why is an eel slippery?", False),
    ],
)
def test_what_a_yes_or_no_answers(prompt: str, yes_no: bool) -> None:
    assert Request(prompt).yes_no is yes_no


@pytest.mark.parametrize(
    ("prompt", "persona"),
    [
        ("Pretend to be a lighthouse keeper.", True),
        ("You are a smuggler. Stay in character.", True),
        ("Ben: Will you come?\nAda:", True),
        ("Act as an SEO expert.", False),
        ("You are given a sentence and rate it.", False),
        ("Text: I like you\nSentiment:", False),
        ("How can one tell that people pretend to understand?", False),
    ],
)
def test_whose_voice(prompt: str, persona: bool) -> None:
    assert Request(prompt).persona is persona


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (LETTER, LETTER),
        ("Sure! Here is the letter:\n\n" + LETTER, LETTER),
        (LETTER + "\n\nLet me know if you want changes!", LETTER),
        ("Here it is:\n\n---\n\n" + LETTER + "\n\n---\n\nShall I make it shorter?", LETTER),
        ("Rain again.\n\nI hope you like this poem!", "Rain again."),
        ("Rain again.", "Rain again."),
        ("", ""),
    ],
)
def test_where_the_requested_text_stands(text: str, wanted: str) -> None:
    frame = frame_of(text)
    assert text[frame.start : frame.stop].strip("\n-") == wanted


@given(st.text(st.sampled_from("Dear Subject: here's-*_#\n.!Best regards,[x]"), max_size=120))
def test_a_frame_lies_inside_its_text(text: str) -> None:
    frame = frame_of(text)
    assert 0 <= frame.start <= len(text)
    assert 0 <= frame.stop <= len(text)


def test_letter_inside_and_outside() -> None:
    text = f"Certainly! Here is the letter:\n\n{LETTER}\n\nLet me know if you want changes!"
    prompt = "Write a letter to Ada."
    assert excuse(prompt, text, "opener", "Certainly!") is None
    assert excuse(prompt, text, "closer", "Let me know if you need a bucket.") == "deliverable"
    assert excuse(prompt, text, "closer", "Let me know if you want changes!") is None


def test_a_letter_is_known_by_its_own_frame() -> None:
    assert excuse("shorter please", LETTER, "closer", "Let me know if you need a bucket.") == "deliverable"


def test_style_is_never_excused_by_a_request() -> None:
    text = "The old clock is a testament to his patience."
    assert excuse("Write a story about a clock.", text, "slop", "is a testament to") is None
    assert excuse("Write a story about a clock.", text, "hedge", "is a testament to") == "deliverable"


def test_assent_answers_a_question_and_opens_a_reply_to_a_request() -> None:
    assert excuse("Is eel edible?", "Certainly! Smoke it.", "opener", "Certainly!") == "answer"
    assert excuse("Is there a recipe?", "Certainly! Here's one: smoke it.", "opener", "Certainly!") is None
    assert excuse("Explain eels.", "Certainly! They swim.", "opener", "Certainly!") is None
    assert excuse("Hi!", "Hello! How can I help you today?", "closer", "How can I help you today?") == "answer"


@pytest.mark.parametrize(
    ("prompt", "courtesy"),
    [
        ("Thanks, that worked!", True),
        ("Hello", True),
        ("Sorry for the delay.", True),
        ("Write a thank you note.", False),
        ("Thanks! Now explain tides.", False),
        ("Thanks, but why?", False),
        ("Hi, can you help me write a memoir?", False),
    ],
)
def test_what_is_nothing_but_courtesy(prompt: str, courtesy: bool) -> None:
    assert Request(prompt).courtesy is courtesy


def test_refusing_to_write_is_no_part_of_the_text() -> None:
    prompt = "Write a story about a heist."
    assert excuse(prompt, "I'm sorry, but I can't write that.", "refusal", "I'm sorry, but I can't write that.") is None
    inside = "The guard yawned. I can't let you in, he said."
    assert excuse(prompt, inside, "refusal", "I can't let you in, he said.") == "deliverable"


def test_self_reference_of_a_machine_that_was_asked_for() -> None:
    text = "The hull sang. As an AI, I have no ears, and yet I heard it."
    assert excuse("Write a story about a ship's AI.", text, "ai_self_reference", "As an AI,") == "deliverable"
    assert excuse("Write an e-mail to my bank.", text, "ai_self_reference", "As an AI,") is None
    assert excuse("Are you an AI?", text, "ai_self_reference", "As an AI,") == "asked"


def test_tokens_and_slots_that_were_asked_for() -> None:
    text = "Dear {{name}}, it ends with <|im_end|>"
    assert excuse("Write a mail template", text, "leaked_markup", "{{name}}") == "deliverable"
    assert excuse("Write a mail template", text, "leaked_markup", "<|im_end|>") is None
    assert excuse("What is ChatML?", text, "leaked_markup", "<|im_end|>") == "asked"


def test_spoken_lines() -> None:
    text = "Ada: Sure!\nBen: Why?\nAda: Because.\n\nThe end."
    assert [text[a:b].strip() for a, b in spoken_lines(text, asked=False)] == [
        "Ada: Sure!",
        "Ben: Why?",
        "Ada: Because.",
    ]
    assert spoken_lines("Yes.\nUser: And now?\nAssistant: Sure!\nUser: Thanks", asked=False) == []
    assert spoken_lines("Pros: cheap\nCons: slow", asked=True) == []
    assert len(spoken_lines("**Ada:** Hi\n**Ben:** Hello", asked=True)) == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"a": 1}', "json"),
        ('{"a": "b"}\n{"a": "c"}', "json"),
        ('The file:\n\n{\n  "greeting": "Sure!"\n}', "json"),
        ("<!DOCTYPE html>\n<html><p>Sure!</p></html>", "code"),
        ("The snippet:\n<div>\n  Sure!\n</div>\n", "code"),
        ("\\begin{letter}{Ada}\nSure!\n\\end{letter}", "code"),
        ("a: Sure!\nb: yes\nc: no", "code"),
        ("text,label\nSure!,opener\nNo.,none", "code"),
        ("#include <stdio.h>\nint main(void) { return 0; }", "code"),
        ("As said [1], eels swim.", None),
        ("<think>Sure!</think>", None),
        ("<user>: Sure!</user>", None),
        ("Roses are red,\nviolets are blue,\nsugar is sweet,", None),
        ("User: hi\nAgent: hello\nUser: bye", None),
        ("- one\n- two\n- three", None),
        ("Sure! It is {odd}.", None),
        ("", None),
    ],
)
def test_data_without_a_fence(body: str, kind: str | None) -> None:
    found = data_stretch(body.encode())
    assert (found and found[2]) == kind


def test_prose_around_data_stays_the_assistants() -> None:
    text = 'Sure! Here it is:\n\n{"reply": "Certainly! I can help."}\n\nI hope this helps!'
    assert excuse("JSON please", text, "opener", "Sure!") is None
    assert excuse("JSON please", text, "opener", "Certainly!") == "json"
    assert excuse("JSON please", text, "closer", "I hope this helps!") is None


@given(
    st.text(max_size=60),
    st.text(max_size=80),
    st.sampled_from(["opener", "closer", "refusal", "hedge", "leaked_markup"]),
)
def test_any_context_gives_a_known_reason(prompt: str, text: str, category: str) -> None:
    reason = Context(prompt, text).exemption(category, "any.rule", 0, len(text))
    assert reason in (None, "asked", "deliverable", "roleplay", "answer")


def test_somebody_who_has_to_go_somewhere_is_not_leaving() -> None:
    text = "Certainly! Rest first, then call in."
    assert excuse("My dog died this morning and I still have to go to work.", text, "opener", "Certainly!") is None
    assert excuse("Thanks, I have to go now!", "Certainly! Until tomorrow.", "opener", "Certainly!") == "answer"

from uninote.items import Item, Note
from uninote.negatives.rule import rule_negative
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.pairs import make_pairs


def test_the_note_without_the_picture_its_description_and_ocr(picture) -> None:
    p, q = picture("p", "a cat", ("MEOW",)), picture("q", "a dog", ("WOOF",))
    note = Note("n", "Pets", "See a cat. MEOW!", (p, q))
    (pair,) = (pair for pair in make_pairs([note], Task.I2NOTE) if pair.picture == 0)
    assert pair.positive == Item(("Pets", "See a cat. MEOW!", "a cat", "MEOW", q, "WOOF"))
    assert rule_negative(pair) == Item(("Pets", "See a cat. MEOW!", q, "WOOF"))
    (pair,) = (pair for pair in make_pairs([note], Task.T2NOTE) if pair.picture == 0)
    assert rule_negative(pair) == Item(("Pets", "See . MEOW!", q, "WOOF"))


def test_tasks_that_seek_a_note_have_one(picture) -> None:
    pictures = (picture("p", "a cat", ("MEOW",)), picture("q", "a dog", ("WOOF",)))
    note = Note("n", "Pets", "Body", pictures)
    having = {task for task in SFT_TASKS for pair in make_pairs([note], task) if rule_negative(pair)}
    assert having == {Task.I2NOTE, Task.T2NOTE, Task.OCR2NOTE}


def test_never_the_positive_itself() -> None:
    item = Item.of("same")
    assert rule_negative(Pair(Task.I2NOTE, Item.of("q"), item, "n", 0, item)) is None

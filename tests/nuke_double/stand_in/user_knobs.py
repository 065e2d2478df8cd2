"""addUserKnob lines: the ids, their knob classes and flags, both read and written.

`addUserKnob {ID name l "label" t "tip" R min max M {a b} T value n kind +FLAG -FLAG}`; the ids are nuke.KnobType's.
"""

from __future__ import annotations

from . import knob_arrays, knob_channels, knob_choices, knob_texts, knob_vectors, knobs, tcl
from .animation import Channel
from .errors import ScriptError
from .knobs import FLAG_NAMES, HIDDEN, STARTLINE, Knob
from .tcl import Word, split_list

CLASSES: dict[int, type[Knob]] = {
    1: knob_texts.String_Knob,
    2: knob_texts.File_Knob,
    3: knob_arrays.Int_Knob,
    4: knob_choices.Enumeration_Knob,
    6: knob_arrays.Boolean_Knob,
    7: knob_arrays.Double_Knob,
    10: knob_channels.ChannelMask_Knob,
    11: knob_channels.Channel_Knob,
    12: knob_vectors.XY_Knob,
    13: knob_vectors.XYZ_Knob,
    14: knob_vectors.WH_Knob,
    15: knob_vectors.BBox_Knob,
    17: knob_channels.Format_Knob,
    18: knob_vectors.Color_Knob,
    19: knob_vectors.AColor_Knob,
    20: knob_texts.Tab_Knob,
    22: knob_texts.PyScript_Knob,
    26: knob_texts.Text_Knob,
    30: knob_vectors.UV_Knob,
    32: knob_texts.Script_Knob,
    35: knob_choices.Pulldown_Knob,
    41: knob_texts.Link_Knob,
    43: knob_texts.Multiline_Eval_String_Knob,
    52: knob_texts.PyCustom_Knob,
    61: knob_texts.Password_Knob,
    78: knob_arrays.Array_Knob,
    68: knob_choices.CascadingEnumeration_Knob,
    83: knob_choices.Radio_Knob,
}
IDS: dict[type[Knob], int] = {cls: number for number, cls in CLASSES.items()}
IDS[knob_texts.EvalString_Knob] = 43
IDS[knob_choices.EditableEnumeration_Knob] = 4

_SINGLE = {"l", "t", "T", "n"}
_DEFAULT_ON = {knob_texts.Script_Knob, knob_texts.PyScript_Knob, knob_arrays.Boolean_Knob}


def read(word: Word, strict: bool, source: str) -> Knob:
    """The knob that an addUserKnob line describes. Raises ScriptError for an unknown id, option or flag."""
    words = split_list(word.text, word.line, source)
    if not words:
        raise ScriptError("addUserKnob without an id", word.line, source)
    identifier = words[0].text
    cls = CLASSES.get(int(identifier)) if identifier.isdigit() else None
    if cls is None:
        if strict or not identifier.isdigit():
            raise ScriptError(f"unknown user knob id {identifier}", word.line, source)
        cls = knobs.Unsupported_Knob
    name = words[1].text if len(words) > 1 else ""
    knob = cls(name)
    knob._user = True
    if isinstance(knob, knobs.Unsupported_Knob):
        knob._line = word.text  # written back as it was
        return knob
    rest = words[2:]
    if rest and rest[0].text not in {*_SINGLE, "R", "M"} and rest[0].text[:1] not in "+-":
        knob._label = rest.pop(0).text  # the label without its l, as Nuke 4 wrote it
    _options(knob, rest, strict, source)
    return knob


def _options(knob: Knob, words: list[Word], strict: bool, source: str) -> None:
    position = 0
    while position < len(words):
        word = words[position]
        key = word.text
        if key in _SINGLE:
            value = _argument(words, position + 1, source)
            _set_option(knob, key, value, source)
            position += 2
        elif key == "R":
            low, high = _argument(words, position + 1, source), _argument(words, position + 2, source)
            if isinstance(knob, knob_arrays.Array_Knob):
                knob.setRange(_as_number(low, source), _as_number(high, source))
            position += 3
        elif key == "M":
            _set_items(knob, _argument(words, position + 1, source), source)
            position += 2
        elif key[:1] in ("+", "-") and (key[1:] in FLAG_NAMES or not strict):
            flag = FLAG_NAMES.get(key[1:], 0)
            knob._flags = knob._flags | flag if key[0] == "+" else knob._flags & ~flag
            position += 1
        elif strict:
            raise ScriptError(f'user knob {knob._name}: unknown option "{key}"', word.line, source)
        else:
            position += 1


def _argument(words: list[Word], position: int, source: str) -> Word:
    if position >= len(words):
        raise ScriptError("addUserKnob: an option has no value", words[-1].line, source)
    return words[position]


def _as_number(word: Word, source: str) -> float:
    try:
        return float(word.text)
    except ValueError:
        raise ScriptError(f'expected a number but got "{word.text}"', word.line, source) from None


def _set_option(knob: Knob, key: str, value: Word, source: str) -> None:
    if key == "l":
        knob._label = value.text
    elif key == "t":
        knob._tooltip = value.text
    elif key == "n":
        if isinstance(knob, knob_texts.Tab_Knob):
            knob._kind = int(_as_number(value, source))
        elif isinstance(knob, knob_arrays.Array_Knob):
            count = max(1, int(_as_number(value, source)))
            knob._channels, knob._defaults = [Channel() for _ in range(count)], [0.0] * count
    elif isinstance(knob, knob_texts.Link_Knob):
        knob._link = value.text
    elif isinstance(knob, (knob_texts.Text_Knob, knob_texts.String_Knob)):
        knob._value = value.text
    else:
        knob._read(value, source)


def _set_items(knob: Knob, value: Word, source: str) -> None:
    items = [word.text for word in split_list(value.text, value.line, source)]
    if isinstance(knob, knob_choices.Pulldown_Knob):
        pairs = [item.split("\t", 1) for item in items]
        knob._items = [pair[0] for pair in pairs]
        knob._commands = [pair[1] if len(pair) > 1 else "" for pair in pairs]
    elif isinstance(knob, knob_choices.Enumeration_Knob):
        while items and items[-1] == "":
            items.pop()
        knob._set_items(items)


def write(knob: Knob) -> str:
    """The words inside addUserKnob's braces for this knob."""
    if isinstance(knob, knobs.Unsupported_Knob):
        return knob._line
    number = IDS.get(type(knob))
    if number is None:
        raise ValueError(f"a {type(knob).__name__} cannot be a user knob")
    parts = [str(number), tcl.quote(knob._name) if knob._name else '""']
    if knob._label is not None and knob._label != knob._name:
        parts += ["l", tcl.quote(knob._label) if knob._label else '""']
    if knob._tooltip:
        parts += ["t", tcl.quote(knob._tooltip)]
    for name, flag in FLAG_NAMES.items():
        if flag == STARTLINE:
            continue
        if knob._flags & flag and (flag != HIDDEN or knob._flags & HIDDEN):
            parts.append("+" + name)
    starts = bool(knob._flags & STARTLINE)
    if type(knob) in _DEFAULT_ON:
        parts.append("+STARTLINE" if starts else "-STARTLINE")
    elif starts:
        parts.append("+STARTLINE")
    return " ".join([*parts, *knob._definition()])

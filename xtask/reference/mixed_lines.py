"""2,400 lines of mixed scripts in closed form: the same as `tests/it/text/mixed_lines.rs` of fornax-prep makes."""

COUNT = 2400
GOLDEN = 0x9E3779B97F4A7C15
WORDS = (
    "the of and to in run running runner ran low lower lowest new newer newest wide widest token tokens tokenise "
    "tokeniser don't we'll it's I'm unhappiness internationalisation 42 2026 3.14 e-mail C++ <pad> x"
).split()
ACCENTED = "naïve café Ünïted Größe façade jalapeño Ærøskøbing žluťoučký kůň Việt ẞ İstanbul ﬁne ² ½ Ａｂｃ".split()
SEPARATORS = [" ", " ", " ", " ", "  ", "\t", ", ", ". ", "! ", "\u00a0", "\u3000", "-"]
# First code point and how many, by kind.
RANGES = {
    3: (0x0410, 64),  # Cyrillic
    4: (0x03B1, 25),  # Greek
    5: (0x0627, 36),  # Arabic
    6: (0x05D0, 27),  # Hebrew
    7: (0x0905, 73),  # Devanagari, with vowel signs and virama
    8: (0x4E00, 150),  # Chinese
    9: (0x1F600, 64),  # faces
}
JOINERS = ["\u200d", "\ufe0f", "\U0001f3fd", ""]
CONTROLS = [0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x200E, 0x2028, 0xFEFF, 0xFFFD]


class Numbers:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed * GOLDEN % 2**64

    def below(self, bound):
        self.state = (self.state + GOLDEN) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return (z ^ (z >> 31)) % bound


def word(kind, numbers):
    if kind == 0:
        return WORDS[numbers.below(len(WORDS))]
    if kind == 1:
        return ACCENTED[numbers.below(len(ACCENTED))]
    if kind == 2:  # letters under combining marks
        length = 1 + numbers.below(6)
        return "".join(
            chr(ord("a") + numbers.below(26)) + "".join(chr(0x300 + numbers.below(0x70)) for _ in range(numbers.below(3)))
            for _ in range(length)
        )
    if kind == 9:
        return "".join(
            chr(RANGES[9][0] + numbers.below(RANGES[9][1])) + JOINERS[numbers.below(4)] for _ in range(1 + numbers.below(3))
        )
    if kind == 10:
        return WORDS[numbers.below(8)] + chr(CONTROLS[numbers.below(len(CONTROLS))]) + WORDS[numbers.below(8)]
    first, count = RANGES[kind]
    return "".join(chr(first + numbers.below(count)) for _ in range(1 + numbers.below(7)))


def line(index):
    numbers = Numbers(index)
    kind = index % 12
    parts = []
    for _ in range(1 + numbers.below(9)):
        own = numbers.below(11) if kind == 11 else kind
        parts.append(word(own, numbers))
        parts.append(SEPARATORS[numbers.below(len(SEPARATORS))])
    if numbers.below(4) > 0:
        parts.pop()
    return "".join(parts)


def lines():
    return [line(index) for index in range(COUNT)]

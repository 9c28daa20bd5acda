"""Pack the digits' CSV into digits.bin: `python3 pack_digits.py optdigits.csv[.gz] digits.bin`.

Input: a line an image, 64 pixels of 0 to 16 row by row, then the label, separated by commas.
Output: 34 bytes an image. A row of eight pixels is one number in base 17, the leftmost pixel its
lowest digit; 17^8 < 2^33, so eight rows take 264 bits: eight little-endian 32-bit words with the low
bits, one byte with the eight top bits (row r in bit r), and one byte for the label.
"""

import gzip
import sys


def pack(text: str) -> bytes:
    out = bytearray()
    for line in text.split():
        *pixels, label = map(int, line.split(","))
        assert len(pixels) == 64 and max(pixels) <= 16 and 0 <= label <= 9, line
        rows = [sum(p * 17**i for i, p in enumerate(pixels[8 * r : 8 * r + 8])) for r in range(8)]
        for row in rows:
            out += (row & 0xFFFF_FFFF).to_bytes(4, "little")
        out.append(sum((row >> 32) << r for r, row in enumerate(rows)))
        out.append(label)
    return bytes(out)


if __name__ == "__main__":
    source, target = sys.argv[1:]
    opened = gzip.open(source, "rt") if source.endswith(".gz") else open(source)
    with opened as file, open(target, "wb") as packed:
        packed.write(pack(file.read()))

"""Takes `final` from the methods of one name in a class of a jar: `open_method.py JAR CLASS METHOD FOLDER`.

Elasticsearch 7.0 overrides a method of Lucene 8.0 that a later 8.x, the one in the jar, has made final and calls no more.
"""

import pathlib
import struct
import sys
import zipfile

FINAL = 0x0010
# bytes after the tag of a constant (JVM specification, 4.4)
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}


def number(code, at):
    return struct.unpack_from(">H", code, at)[0]


def constants(code):
    """The texts of the constant pool by their number, and where it ends."""
    texts, at, index = {}, 10, 1
    while index < number(code, 8):
        tag = code[at]
        if tag == 1:
            size = number(code, at + 1)
            texts[index] = bytes(code[at + 3 : at + 3 + size]).decode()
            at += 3 + size
        else:
            at += 1 + SIZES[tag]
        # 8 bytes take two numbers
        index += 2 if tag in (5, 6) else 1
    return texts, at


def after_attributes(code, at):
    count, at = number(code, at), at + 2
    for _ in range(count):
        at += 6 + struct.unpack_from(">I", code, at + 2)[0]
    return at


def opened(code, name):
    texts, at = constants(code)
    at += 6
    at += 2 + 2 * number(code, at)
    for kind in ("field", "method"):
        count, at = number(code, at), at + 2
        for _ in range(count):
            if kind == "method" and texts[number(code, at + 2)] == name:
                struct.pack_into(">H", code, at, number(code, at) & ~FINAL)
            at = after_attributes(code, at + 6)
    return code


def main(jar, class_name, method, folder):
    entry = class_name.replace(".", "/") + ".class"
    with zipfile.ZipFile(jar) as archive:
        code = bytearray(archive.read(entry))
    into = pathlib.Path(folder) / entry
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(opened(code, method))


if __name__ == "__main__":
    main(*sys.argv[1:])

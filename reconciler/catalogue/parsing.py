"""Codes of reading one YAML file (rule M1), before anything is merged."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_ALIAS",
        "An alias `*name` has no anchor `&name` before it in the same file, or an anchor contains "
        "its own alias.",
        "Define the anchor above the alias, or write the value out. Values of another file are "
        "reached by a reference `${{ path }}`.",
    ),
    Entry(
        "E_ALIAS_LIMIT",
        "After its aliases are expanded, the file has more nodes than the program accepts. A few "
        "nested aliases can stand for millions of values.",
        "Use fewer aliases, or write the values out.",
    ),
    Entry(
        "E_AMBIGUOUS",
        "YAML 1.1 and YAML 1.2 readers take this plain text for different values: `yes` is a "
        "boolean or a string, `1:30` is 90 or a string, `012` is 10 or 12.",
        "Put the value in quotes, or write the boolean or number in its plain form.",
    ),
    Entry(
        "E_DEPTH",
        "Maps and lists are nested deeper than the program accepts.",
        "Flatten the value.",
    ),
    Entry(
        "E_DUP_KEY",
        'One map has the same key twice. `1` and `"1"` are the same key.',
        "Delete one of them, or rename it.",
    ),
    Entry(
        "E_KEY_NFC",
        "Two keys look the same and consist of different Unicode characters.",
        "Write both in the same form (NFC), or rename one.",
    ),
    Entry(
        "E_KEY_TYPE",
        "A key is no text: a plain `true`, `null`, `~` or `yes`, an empty key, a map or a list.",
        "Put the key in quotes.",
    ),
    Entry(
        "E_LFS_POINTER",
        "The file holds a pointer of Git LFS and not the YAML itself.",
        "Keep config outside of Git LFS.",
    ),
    Entry(
        "E_MERGE_KEY",
        "The merge key `<<` is given something that is no map.",
        "Give `<<` a map, or a list of maps.",
    ),
    Entry(
        "E_MULTI_DOC",
        "A layer holds two YAML documents; a layer is one document.",
        "Split the file, or delete the `---`.",
    ),
    Entry(
        "E_NUMBER",
        "A number cannot be kept exactly: it is infinite, not a number, or too large.",
        "Write a finite number, or put the text in quotes.",
    ),
    Entry(
        "E_ROOT_TYPE",
        "The file's root is a list or a single value; a layer is a map.",
        "Put the value under a key.",
    ),
    Entry(
        "E_SIZE",
        "A file, or what a reference makes of it, is larger than the program reads; or the config "
        "folders hold more than it reads together, and the largest folder is left out.",
        "Split the file. Data does not belong into the config repo.",
        "error[E_SIZE]: models/web/model.yaml has 5,000,000 bytes; at most 1,048,576 are read\n"
        "  --> models/web/model.yaml\n   help: split the file",
    ),
    Entry(
        "E_SYNTAX",
        "The file is not valid YAML, or not UTF-8.",
        "Correct the text at the place that the message names; the cause may stand a line above.",
    ),
    Entry(
        "E_TAG",
        "The tag of a value is not known, or two parts of the tag contradict each other.",
        "Use one of the markers of docs/config.md. Only standard YAML tags exist besides them.",
    ),
    Entry(
        "E_TAG_PLACE",
        "A marker stands where it has no effect: for example `!delete` outside of a list that is "
        "merged by key, or `!final` on a value that holds a reference.",
        "Move the marker, or remove it. To delete a key of a map, set the key to null.",
    ),
    Entry(
        "E_TAG_TYPE",
        "A marker stands on a value of the wrong kind: for example `!append` on a map.",
        "Use the marker on the kind of value that docs/config.md names for it.",
    ),
    Entry(
        "W_LOSSY_NUMBER",
        "A plain number loses digits when it is read: `1.10` becomes 1.1. Versions are often "
        "written like this by mistake.",
        "Put the value in quotes if it is a text; write the shorter number if it is a number.",
    ),
)

"""Codes of folding layers into one tree (rules M2 to M8)."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_CYCLE",
        "References lead in a circle: a value is needed to compute itself.",
        "Replace one of the references by a plain value.",
    ),
    Entry(
        "E_DELETE_MISSING",
        "`!delete` names an element that no lower layer has.",
        "Correct the key of the element, or remove the entry.",
    ),
    Entry(
        "E_EMPTY",
        "A key of a layer has no value. To YAML that is a null, and a null deletes what the layers "
        "below set: `serving:` whose only line is commented out would delete the app's objects.",
        "Delete the line, or write what is meant: `null` to delete the key, `{}` for an empty map.",
    ),
    Entry(
        "E_INTERP_TYPE",
        "A reference inside a longer text leads to a map, a list or null, which have no text form.",
        "Refer to a single value, or let the reference be the whole value.",
    ),
    Entry(
        "E_LAYER_FILE",
        "A layer's file is not there, or a file of layers is named that cannot be used.",
        "Create the file, correct the path in layers.yaml, or mark the layer `optional: true`.",
    ),
    Entry(
        "E_LAYER_PATH",
        "A layer sets a path that it may not set: a path outside of its `allow` list, an "
        "`environment:` block outside of environment.yaml, a `group:` block outside of group.yaml, "
        "or the model's type outside of model.yaml.",
        "Move the value to the file that may set it.",
    ),
    Entry(
        "E_LAYERS",
        "environments/layers.yaml is missing or wrong. No app can be read without it.",
        "Correct layers.yaml; docs/config.md shows a whole one.",
    ),
    Entry(
        "E_LIST_DUP",
        "Two elements of a list have the same key or name.",
        "Rename one of them, or delete it.",
    ),
    Entry(
        "E_LIST_KEY",
        "A list is merged by a key, and an element is no map or lacks the key.",
        "Give every element the key.",
    ),
    Entry(
        "E_LOCKED",
        "A lower layer locks the value with `!final`, and this layer changes it, adds to it or "
        "deletes it.",
        "Remove the entry, or ask the owner of the locking layer to change the value there.",
    ),
    Entry(
        "E_NEW_KEY",
        "The layer is declared `overrideOnly`, and sets a path that no lower layer has.",
        "Correct the spelling, or introduce the path in a lower layer.",
    ),
    Entry(
        "E_OVERRIDE_MISSING",
        "`!override` asserts that a lower layer sets the value, and none does.",
        "Correct the spelling of the path, or remove `!override`.",
    ),
    Entry(
        "E_REF_MISSING",
        "A reference leads to a path that no layer sets, or that a layer deleted. In a plain "
        "manifest a reference begins with `app.`.",
        "Correct the path, set the value, or give a default: `${{ path ?? default }}`. `$${{` "
        "stands for the text `${{`.",
    ),
    Entry(
        "E_REF_SYNTAX",
        "The text between `${{` and `}}` is no path.",
        "Write a path such as `serving.env[name=A].value`; write `$${{` for the text itself.",
    ),
    Entry(
        "E_REMOVE_MISSING",
        "`!remove` names an element that the list below does not have.",
        "Correct the element, or remove it from the list of `!remove`.",
    ),
    Entry(
        "E_REQUIRES",
        "layers.yaml has `requires`, and this version of the program does not satisfy it.",
        "Install a version that satisfies `requires`.",
    ),
    Entry(
        "E_TYPE_CHANGE",
        "Two layers give one path values of different kinds: for example a map and a text.",
        "Write the same kind as the lower layer, or mark the value `!force` if the change is "
        "meant.",
    ),
    Entry(
        "W_DELETE_MISSING",
        "A null deletes a path that no lower layer has, so it has no effect.",
        "Correct the spelling of the path, or remove the line.",
    ),
)

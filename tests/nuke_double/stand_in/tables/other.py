"""Groups and the plumbing between nodes, metadata, and the root."""

from __future__ import annotations

from ..knob_choices import OneView_Knob
from ..knob_specs import (
    boolean,
    button,
    colorspace,
    double,
    enum,
    file,
    format,
    integer,
    kept,
    mask,
    multiline,
    python,
    string,
)
from .common import Table

GROUP = (boolean("lock_connections"), integer("mapsize"), string("gizmo_file"))

ROOT = (
    string("name"),
    string("project_directory"),
    double("frame", 1.0),
    integer("first_frame", 1),
    integer("last_frame", 100),
    boolean("lock_range"),
    double("fps", 24.0),
    format("format"),
    boolean("proxy"),
    enum("proxy_type", ["format", "scale"], "format"),
    format("proxy_format"),
    double("proxy_scale", 0.5),
    integer("proxySetting"),
    string("views"),
    enum("hero_view", ["main"], "main", OneView_Knob),
    enum("colorManagement", ["Nuke", "OCIO"], "Nuke"),
    enum(
        "OCIO_config",
        ["nuke-default", "aces_1.2", "fn-nuke_cg-config-v1.0.0", "fn-nuke_studio-config-v1.0.0", "custom"],
        None,
    ),
    file("customOCIOConfigPath"),
    colorspace("workingSpaceLUT", "linear"),
    colorspace("monitorLut", "sRGB"),
    colorspace("int8Lut", "sRGB"),
    colorspace("int16Lut", "sRGB"),
    colorspace("logLut", "Cineon"),
    colorspace("floatLut", "linear"),
    multiline("label"),
    python("onScriptLoad"),
    python("onScriptSave"),
    python("onScriptClose"),
    python("beforeRender"),
    python("afterRender"),
    kept("luts"),
    button("reload"),
)

CLASSES: dict[str, Table] = {
    "Group": Table(GROUP, least=0, most=1000, without=("gizmo_file",)),
    "Gizmo": Table(GROUP, least=0, most=1000),
    "LiveGroup": Table((*GROUP, file("file")), least=0, most=1000, without=("gizmo_file",)),
    "Precomp": Table(
        (file("file"), boolean("useOutput"), string("output"), button("reload"), boolean("reading")), least=0, most=0
    ),
    "Root": Table(ROOT, least=0, most=0, without=("disable",)),
    "Input": Table((integer("number"),), least=0, most=0),
    "Output": Table(),
    "NoOp": Table(),
    "Dot": Table(without=("disable",)),
    "BackdropNode": Table(
        (
            integer("bdwidth", 200),
            integer("bdheight", 200),
            integer("z_order"),
            enum("appearance", ["Fill", "Border"], "Fill"),
        ),
        least=0,
        most=0,
        without=("disable",),
    ),
    "StickyNote": Table(least=0, most=0, without=("disable",)),
    "CopyMetaData": Table(
        (
            enum("mergeMode", ["Meta+Image", "Image+Meta", "Meta only", "Image only"], "Meta+Image"),
            string("metafilter"),
            enum("metadatafilterMode", ["keys", "values", "keys and values"], "keys"),
            string("copyMetadataFilter"),
        ),
        least=2,
        most=2,
    ),
    "ModifyMetaData": Table((kept("metadata"),)),
    "ViewMetaData": Table(),
    "DiskCache": Table((mask("channels", "all"),)),
    "CurveTool": Table(
        (
            mask("channels", "rgb"),
            enum("operation", ["Auto Crop", "Avg Intensities", "Exposure Difference", "Max Luma Pixel"], None),
        )
    ),
    "PostageStamp": Table((boolean("postage_stamp", True),)),
    "Assert": Table((double("expression", 1.0), string("message"))),
}

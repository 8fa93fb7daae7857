"""Makes the two files beside this one, from packages of the registries:

    npm pack @elastic/ecs@9.4.0            (Apache-2.0: generated/ecs_flat.js)
    pip download ocsf-json-schema==1.2.0   (MIT; the schemas in it are OCSF's, Apache-2.0)

    python3 make.py FOLDER_OF_ELASTIC_ECS FOLDER_OF_OCSF_JSON_SCHEMA

Only what our mappings use is kept: fields of some field sets, classes and objects of some names. What they do not use is
refused by the test, which is how a new field shows that this has to be run again.
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ECS_SETS = ["@timestamp", "message", "tags", "labels", "agent.", "ecs.", "event.", "file.path", "file.name", "host.id",
            "host.name", "host.hostname", "host.architecture", "host.os.", "package.", "process.executable", "related.user",
            "rule.", "service.", "url.original", "user.name"]
OCSF_VERSIONS = ["1.4.0", "1.8.0"]
OCSF_CLASSES = ["base_event", "compliance_finding", "detection_finding", "inventory_info", "software_info"]
OCSF_OBJECTS = ["actor", "analytic", "compliance", "device", "evidences", "file", "finding_info", "group", "metadata",
                "object", "os", "package", "product", "remediation", "resource_details", "user"]
PROFILES = ["host", "security_control"]


def ecs(folder):
    script = f"const e=require({json.dumps(str(folder / 'generated/ecs_flat.js'))});" \
             "console.log(JSON.stringify(e.EcsFlat||e.default))"
    flat = json.loads(subprocess.check_output(["node", "-e", script]))
    fields = {}
    for name, field in sorted(flat.items()):
        if not any(name == kept or kept.endswith(".") and name.startswith(kept) for kept in ECS_SETS):
            continue
        kept = {"type": field["type"], "array": "array" in field.get("normalize", [])}
        if field.get("allowed_values"):
            kept["allowed"] = {a["name"]: a.get("expected_event_types", []) for a in field["allowed_values"]}
        fields[name] = kept
    version = json.loads((folder / "package.json").read_text())["version"]
    return {"version": version, "fields": fields}


def closed(schema):
    """References stay within the file; objects that are not kept may not be used."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].split("/objects/")[1].split("?")[0]
        return {"$ref": f"#/$defs/{name}"} if name in OCSF_OBJECTS else False
    # a property may be called `title` too
    said = {key: part for key, part in schema.items() if not (key in ("$id", "$schema", "title") and isinstance(part, str))}
    return {key: closed(part) for key, part in said.items()}


def ocsf(folder):
    sys.path.insert(0, str(folder))
    from ocsf_json_schema import OcsfJsonSchema
    versions = {}
    for version in OCSF_VERSIONS:
        exported = json.loads((folder / f"ocsf_json_schema/ocsf/{version}.json").read_text())
        maker = OcsfJsonSchema(exported)
        classes = {}
        for name in OCSF_CLASSES:
            schema = closed(maker.get_class_schema(name, PROFILES))
            classes[str(schema["properties"]["class_uid"]["const"])] = schema
        objects = {name: closed(maker.get_object_schema(name, PROFILES)) for name in OCSF_OBJECTS}
        for schema in [*classes.values(), *objects.values()]:
            # what may not be used needs no line
            properties = schema.get("properties", {})
            for key in [key for key, part in properties.items() if unusable(part)]:
                del properties[key]
        versions[version] = {"classes": classes, "$defs": objects}
    return versions


def unusable(part):
    return part is False or isinstance(part, dict) and part.get("items") is False


def write(name, value):
    # an entry a line: changes of the schemas can be read
    text = json.dumps(value, indent=1, sort_keys=True)
    (HERE / name).write_text(text + "\n")


write("ecs.json", ecs(pathlib.Path(sys.argv[1])))
write("ocsf.json", ocsf(pathlib.Path(sys.argv[2])))

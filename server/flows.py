"""Finding a flow by name or path, and what there is to render of it before the first call."""

from importlib.resources import files
from pathlib import Path

from dialog.flow import Flow, load_flow
from models.piper_voice import sentences
from server.errors import StartError


def find_flow(name: str) -> Flow:
    """A shipped flow by its name, or one of the operator's own by its path.

    Raises:
        FlowError: the flow is not valid; file and line are named.
        StartError: there is no such flow.
    """
    return load_flow(flow_file(name))


def flow_file(name: str) -> Path:
    """The file of a shipped flow or of the operator's own; it is not read.

    Raises:
        StartError: there is no such flow.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise StartError(f"there is no flow file {path}: check [dialog] flow")
        return path
    folder = Path(str(files("dialog") / "flows"))
    shipped = folder / f"{name}.yaml"
    if not shipped.is_file():
        known = sorted(p.name[:-5] for p in folder.iterdir())
        raise StartError(f"there is no shipped flow {name!r}; there are: {', '.join(known)}")
    return shipped


def static_texts(flow: Flow) -> tuple[str, ...]:
    """What is the same in every call, each once, to be rendered before the first one.

    Prompts without slots, and of those with slots the sentences that have none.
    """
    forms = [form for text in flow.texts for form in text.forms]
    around_slots = [each for form in forms if "{" in form for each in sentences(form)]
    said = (*forms, *around_slots, *flow.fillers)
    return tuple(dict.fromkeys(each for each in said if "{" not in each))

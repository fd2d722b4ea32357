"""What is left of a call when it is over."""

import gc
import weakref

from tests.fakes.session_rig import GREETING, call


async def test_a_session_is_free_as_soon_as_nobody_has_it():
    async with call([GREETING], "my order") as rig:
        await rig.passes(1.2)
        await rig.caller_speaks(0.8)
    left = weakref.ref(rig.session)
    rig.leg.on_event = lambda event: None  # as legs do when they have told of the end
    gc.disable()
    try:
        del rig.session
        assert left() is None
    finally:
        gc.enable()

"""What is divided among the workers of one server; pure."""

from server.config import Config, RtpConfig
from server.errors import StartError


def media_ports(rtp: RtpConfig, worker: int, workers: int) -> tuple[int, int]:
    """First and last of a worker's own media ports: an even share, in pairs of RTP and RTCP.

    Raises:
        StartError: there are fewer pairs than workers.
    """
    first = rtp.port_min + rtp.port_min % 2
    pairs = (rtp.port_max + 1 - first) // 2
    share = pairs // workers
    if share < 1:
        raise StartError(
            f"media ports {rtp.port_min}-{rtp.port_max} are too few for {workers} processes:"
            " widen [rtp] port_min and port_max"
        )
    start = first + 2 * share * worker
    return start, start + 2 * share - 1


def recognition_threads(config: Config, workers: int) -> int:
    """Of each worker's own recogniser: `[speech] threads` is what all calls have."""
    return max(1, -(-config.speech.threads // workers))


def worker_config(config: Config, worker: int, workers: int) -> Config:
    """The configuration with a worker's own part of what is divided.

    Raises:
        StartError: there is not enough for each.
    """
    first, last = media_ports(config.rtp, worker, workers)
    rtp = config.rtp.model_copy(update={"port_min": first, "port_max": last})
    threads = recognition_threads(config, workers)
    speech = config.speech.model_copy(update={"threads": threads})
    return config.model_copy(update={"rtp": rtp, "speech": speech})


def check_together(config: Config) -> None:
    """
    Raises:
        StartError: what is divided is too little for so many processes.
    """
    media_ports(config.rtp, 0, config.serve.count)

"""What 10^6, 10^8 and 10^9 images cost: the arithmetic of docs/scale.md, printed as its tables.

ASSUMED values are not measured by this project: change them for your machines.
"""

from dataclasses import dataclass

IMAGES = (10**6, 10**8, 10**9)
GPUS = (1, 8, 64, 512)
HOUR = 3600

# The model: ViT-L-14-336 at 518 pixels (docs/method.md), counted below.
POSITIONS, WIDTH, BLOCKS, DUAL = 1370, 1024, 24, 19
TEXT_WIDTH, TEXT_BLOCKS, TEXT_POSITIONS = 768, 12, 10 * 12

# Measured by this project on 2 cores (docs/performance.md, benchmarks/scale.py).
CPU_SECONDS = 4.5  # one image, bf16, two cores
DECODE_SECONDS = 0.019  # processor seconds to decode and resize a 1600x1200 JPEG to 518x518
ROW_BYTES = 85  # of a row with a decision in a shard of 512; in one of 4096 it is 66

# ASSUMED.
IMAGE_BYTES = 600_000  # a 1600x1200 JPEG of quality 85
GPU_FLOPS = 300e12  # in bf16; an H200 attained 392e12 on the device, 261e12 through predict
STORE_REQUESTS = 5_500  # GET per second and prefix that Amazon S3 documents
STORE_SECONDS = 0.030  # of one small read elsewhere
FOOTER_THREADS = 8  # faprompt.scale.shards.THREADS
NAME_BYTES = 100  # of a digest in Python's set, where a manifest is checked for repeated names


@dataclass(frozen=True)
class Cost:
    """Of one number of images."""

    images: int

    @property
    def shard_size(self) -> int:
        """512 is the default; more from 10^8 on, to keep the number of files in hand."""
        return 512 if self.images < 10**8 else 4096

    @property
    def shards(self) -> int:
        """Files that are written."""
        return -(-self.images // self.shard_size)

    @property
    def bytes_read(self) -> int:
        """Every image is read once."""
        return self.images * IMAGE_BYTES

    @property
    def bytes_written(self) -> int:
        """Without heat maps."""
        return self.images * ROW_BYTES

    @property
    def gpu_hours(self) -> float:
        """Of the model alone."""
        return self.images * flops_per_image() / GPU_FLOPS / HOUR

    @property
    def core_hours(self) -> float:
        """Of decoding."""
        return self.images * DECODE_SECONDS / HOUR

    @property
    def cpu_machine_hours(self) -> float:
        """Of machines with two cores and no GPU."""
        return self.images * CPU_SECONDS / HOUR

    @property
    def finish_seconds(self) -> float:
        """Reading all footers from a store elsewhere, at the end."""
        return self.shards * STORE_SECONDS / FOOTER_THREADS

    @property
    def digest_bytes(self) -> int:
        """Memory to list a manifest's names once; a single folder needs none."""
        return self.images * NAME_BYTES


def flops_per_image() -> float:
    """Multiplications and additions of one image.

    A block over L positions of width D: q, k, v and output 8 L D^2, MLP 16 L D^2, attention
    4 L^2 D; the local stream of a dual block adds another attention and output projection. Of the
    text tower the ten abnormality prompts are encoded again for every image.
    """
    length, width = POSITIONS, WIDTH
    ordinary = 24 * length * width**2 + 4 * length**2 * width
    local = 2 * length * width**2 + 4 * length**2 * width
    text = TEXT_BLOCKS * 24 * TEXT_POSITIONS * TEXT_WIDTH**2
    return BLOCKS * ordinary + DUAL * local + text


def images_per_second(gpus: int) -> float:
    """What the GPUs could score if images came fast enough."""
    return gpus * GPU_FLOPS / flops_per_image()


def size_row(images: int) -> list[str]:
    """A column of the first table."""
    cost = Cost(images)
    return [
        f"10^{len(str(images)) - 1}",
        f"{cost.bytes_read / 1e12:,.1f} TB",
        f"{cost.gpu_hours:,.1f}",
        f"{cost.cpu_machine_hours:,.0f}",
        f"{cost.core_hours:,.0f}",
        f"{cost.shards:,} of {cost.shard_size}",
        f"{cost.bytes_written / 1e9:,.1f} GB",
        f"{cost.finish_seconds:,.0f} s",
        f"{cost.digest_bytes / 1e9:,.1f} GB",
    ]


def cluster_row(gpus: int) -> list[str]:
    """A row of the second table: what must keep up with so many GPUs."""
    rate = images_per_second(gpus)
    return [
        f"{gpus}",
        f"{rate:,.0f}",
        f"{rate * DECODE_SECONDS:,.0f}",
        f"{rate * IMAGE_BYTES * 8 / 1e9:,.1f} Gbit/s",
        f"{rate / STORE_REQUESTS:,.2f}",
        *(f"{images / rate / HOUR:,.2f} h" for images in IMAGES),
    ]


def tables() -> str:
    """Both tables in Markdown."""
    sizes = [
        "images", "read", "GPU hours", "or hours of 2 cores", "core hours to decode",
        "shards", "written", "footers at the end", "names of a manifest in memory",
    ]  # fmt: skip
    cluster = [
        "GPUs", "images/s", "cores that decode", "network", "prefixes of a store",
        *(f"10^{len(str(n)) - 1} images" for n in IMAGES),
    ]  # fmt: skip
    return "\n".join(
        [*_table(sizes, map(size_row, IMAGES)), "", *_table(cluster, map(cluster_row, GPUS))]
    )


def _table(heading: list[str], rows: "map[list[str]]") -> list[str]:
    lines = [heading, ["---"] * len(heading), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    print(f"{flops_per_image() / 1e12:.2f} TFLOP per image")
    print(tables())

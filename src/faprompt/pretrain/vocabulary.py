"""The embedded backbone's own vocabulary: lower-case byte-pair pieces of inspection words."""

from collections.abc import Iterable
from random import Random

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from faprompt.clip.tokenizer import END, START
from faprompt.pretrain import captions
from faprompt.pretrain.kinds import DEFECT_KINDS, SCENE_KINDS

PAD, UNKNOWN = "<|padding|>", "<|unknown|>"
SPECIAL = (PAD, START, END, UNKNOWN)  # in the order of their ids, from 0
MAX_TOKENS = 2048

MORE_WORDS = """
a an the of in on at with without and or no not one two three many some small large big tiny long
short thin thick round flat sharp smooth rough soft hard wet dry dark bright black white grey gray
red green blue yellow orange brown purple pink silver golden copper upper lower inner outer front
back side edge corner border surface part parts piece area region spot line dot mark point area
photo picture image photograph view close-up cropped blurry low high resolution industrial
medical inspection product item sample thing component unit assembly device machine tool
metal steel iron aluminium brass zinc rubber glass ceramic plastic foam paper cardboard leather
cotton wool silk carpet rope cable wire nylon wooden stone concrete asphalt sand soil plaster tile
brick porcelain bottle can jar cup lid cap box bag tube pipe hose ring nut bolt screw nail pin
spring gear bearing bracket connector plug socket switch fuse chip resistor capacitor transistor
diode board solder lens lamp battery cell panel module tablet pill capsule candle chewing gum
cashew macaroni pasta hazelnut peanut almond grain rice bean fruit apple orange potato bread
cookie biscuit chocolate toothbrush zipper button seam stitch thread needle knife blade rail
wheel tyre car door window wall floor road bridge tank weld joint casting forging sheet plate foil
film coating paint varnish label print text letter number barcode logo skin hair eye retina tooth
bone skull brain lung heart liver kidney bowel colon stomach mucosa tissue vessel polyp tumour
tumor lesion ulcer bleeding haemorrhage nodule thyroid mass cyst fracture scan slice x-ray mri ct
ultrasound endoscopy radiograph healthy diseased sick benign malignant normal abnormal anomaly
anomalous defect defective defects damage damaged flaw flawed fault faulty broken crack cracked
scratch scratched scrape hole holes pit pitted pitting dent dented bump lump stain stained dirt
dirty rust rusty corrosion corroded burn burnt burned oil grease dust contamination contaminated
discoloration discolouration discoloured faded fray frayed tear torn cut cuts hairline blowhole
uneven unevenness break bend bent twisted deformed deformation warped missing incomplete extra
misplaced misaligned shifted flipped rotated loose swapped wrong foreign residue glue squeezed
melted leak leaking bubble bubbles inclusion scale fold folded crease wrinkle wrinkled chipped
peeling peeled worn wear abrasion fuzzy rough colour color texture pattern poke poked faultless
perfect flawless intact unblemished undamaged unbroken clean good fine bad poor new old fresh
rotten ripe mould mouldy green leaf plant wood circuit electronics solar marble granite fabric
denim mesh dial gauge grid weave stripes wafer textile yarn hat coat shoe ball toy card coin
"""


def sentences(count: int = 20_000, seed: int = 0) -> Iterable[str]:
    """Sentences of the grammar, every word of it among them."""
    random = Random(seed)
    place = " ".join((captions.LINES[1], captions.COLUMNS[1]))
    for _ in range(count):
        yield from captions.state_pair(random)
        scene, defect = random.choice(SCENE_KINDS), random.choice(DEFECT_KINDS)
        yield captions.normal_caption(scene, random)
        yield captions.abnormal_caption(scene, defect, place, random)
    words = {word for kind in SCENE_KINDS for noun in kind.nouns for word in noun.split()}
    words |= {w for kind in DEFECT_KINDS for n in (*kind.nouns, *kind.states) for w in n.split()}
    words |= {*captions.LINES, *captions.COLUMNS, *MORE_WORDS.split()}
    for _ in range(20):
        yield " ".join(sorted(words))


def build_tokenizer() -> Tokenizer:
    """Learn the byte-pair vocabulary from the grammar.

    Every word of it becomes one token. Ids of equally frequent words can differ from run to run,
    so the file that ships with the weights is the one that counts.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_TOKENS,
        special_tokens=list(SPECIAL),
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    ends = [(START, tokenizer.token_to_id(START)), (END, tokenizer.token_to_id(END))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=ends
    )
    return tokenizer

"""PyTorch's side of `cargo xtask bench`: times the named cases and prints one JSON object.

Run `python xtask/reference/bench.py cnn 5` for five timed repetitions of the cases of crate cnn.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, softplus

import closed_form
from models import DcganCritic, DcganGenerator, DenoisingUNet, DenseVae, Gpt, LeNet, UNet

torch.set_num_threads(2)


def classifier(name, model, channels, size, side):
    """A forward pass in inference without gradients, and a training step with Adam."""
    images = torch.from_numpy(closed_form.data("images", (size, channels, side, side)))
    targets = torch.from_numpy(closed_form.classes("targets", size, 10))
    model = closed_form.fill(model)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        model.eval()
        with torch.no_grad():
            model(images)

    def train():
        model.train()
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), targets).backward()
        optimiser.step()

    return {f"{name} forward": forward, f"{name} train": train}


def lenet():
    return classifier("lenet 28x28 b64", LeNet(), 1, 64, 28)


def resnet18():
    """torchvision's with the stem for small images."""
    from torchvision.models import resnet18

    model = resnet18(num_classes=10)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    return classifier("resnet18 32x32 b32", model, 3, 32, 32)


def mobilenet_v2():
    from torchvision.models import mobilenet_v2

    return classifier("mobilenet_v2 96x96 b16", mobilenet_v2(num_classes=10, dropout=0.0), 3, 16, 96)


def unet():
    """A small U-Net of eleven classes, 64 x 64, batch 8: a forward pass without gradients, and a training step with Adam."""
    images = torch.from_numpy(closed_form.data("images", (8, 1, 64, 64)))
    masks = torch.from_numpy(closed_form.classes("masks", 8 * 64 * 64, 11)).reshape(8, 64, 64)
    model = closed_form.fill(UNet(11, 1, (16, 32, 64, 96)))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        model.eval()
        with torch.no_grad():
            model(images)

    def train():
        model.train()
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), masks).backward()
        optimiser.step()

    return {"unet 64x64 b8 forward": forward, "unet 64x64 b8 train": train}


def mlp():
    """784-512-512-10 with ReLU, batch 128: forward, backward and Adam's step."""
    images = torch.from_numpy(closed_form.data("images", (128, 784)))
    targets = torch.from_numpy(closed_form.classes("targets", 128, 10))
    layers = [torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)]
    model = torch.nn.Sequential(*layers)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train():
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), targets).backward()
        optimiser.step()

    return {"mlp 784-512-512-10 b128 train": train}


def optimisers():
    """One step over ten matrices of a thousand by a thousand; PyTorch has no Lion."""
    makers = {
        "gradient_descent": lambda p: torch.optim.SGD(p, lr=0.01),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
        "mini_batch_sgd": lambda p: torch.optim.SGD(p, lr=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
        "adagrad": lambda p: torch.optim.Adagrad(p),
        "adadelta": lambda p: torch.optim.Adadelta(p),
        "rmsprop": lambda p: torch.optim.RMSprop(p),
        "adam": lambda p: torch.optim.Adam(p),
        "nadam": lambda p: torch.optim.NAdam(p),
        "adamw": lambda p: torch.optim.AdamW(p),
        "radam": lambda p: torch.optim.RAdam(p),
        "adamax": lambda p: torch.optim.Adamax(p),
    }
    cases = {}
    for name, make in makers.items():
        parameters = [torch.nn.Parameter(torch.full((1000, 1000), 0.05)) for _ in range(10)]
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 0.01)
        cases[f"step {name}"] = make(parameters).step
    return cases


def recurrent():
    """64 features, 128 units, 64 steps, batch 32: a forward pass without gradients, and a training step with Adam."""
    cases = {}
    for name, make in {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.items():
        x = torch.from_numpy(closed_form.data("x", (32, 64, 64)))
        model = closed_form.fill(make(64, 128, batch_first=True))
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

        def forward(model=model, x=x):
            with torch.no_grad():
                model(x)

        def train(model=model, x=x, optimiser=optimiser):
            optimiser.zero_grad(set_to_none=True)
            model(x)[0].square().mean().backward()
            optimiser.step()

        cases |= {f"{name} 64-128 T64 b32 forward": forward, f"{name} 64-128 T64 b32 train": train}
    return cases


class Photographs(torch.utils.data.Dataset):
    """The JPEGs that our side made, as torchvision decodes fastest: its own decoder, no Pillow."""

    def __init__(self, folder):
        from torchvision.transforms import v2

        self.paths = sorted(str(path) for path in Path(folder).glob("photographs/all/*.jpg"))
        self.transform = v2.Compose(
            [
                v2.Resize((224, 224), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        from torchvision.io import ImageReadMode, decode_image

        return self.transform(decode_image(self.paths[index], ImageReadMode.RGB))


def images():
    """One pass over 200 JPEGs of 500 x 375: decoded, resized, flipped by chance, normalised; two workers."""
    photographs = Photographs(os.environ["FORNAX_BENCH_DATA"])
    loader = torch.utils.data.DataLoader(
        photographs, batch_size=32, shuffle=True, num_workers=2, persistent_workers=True
    )

    def epoch():
        assert sum(len(batch) for batch in loader) == 200

    return {"images jpeg 500x375 to 224 b32 w2": epoch}


def gpt():
    """Four layers of 256 and of 128 on letters: training steps, and a hundred tokens from a cache."""
    writer = closed_form.fill(Gpt(65, 128, 256, 4, 4)).eval()

    def generate():
        caches, start = [[] for _ in writer.blocks], 0
        tokens = torch.tensor([[1, 2, 3, 4]])
        with torch.no_grad():
            for _ in range(100):
                logits = writer(tokens, start, caches)
                start += tokens.shape[1]
                tokens = logits[:, -1].argmax(1, keepdim=True)

    return {
        "gpt 4x256 T128 b8 train": gpt_step(8, 128, 256),
        "gpt 4x128 T64 b12 train": gpt_step(12, 64, 128),
        "gpt 4x256 b1 generate 100 tokens with cache": generate,
    }


def gpt_step(windows, length, width):
    """A training step with clipped gradients and AdamW."""
    inputs, targets = (
        torch.from_numpy(closed_form.classes(n, windows * length, 65)).view(windows, length) for n in ("inputs", "targets")
    )
    model = closed_form.fill(Gpt(65, length, width, 4, 4))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))

    def train():
        optimiser.zero_grad(set_to_none=True)
        model.loss(inputs, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return train


def vae():
    """784-400-20, black or white pixels, 128 images: a training step with Adam."""
    x = torch.from_numpy(closed_form.classes("x", 128 * 784, 2)).view(128, 784).float()
    epsilon = torch.from_numpy(closed_form.data("epsilon", (128, 20)))
    model = closed_form.fill(DenseVae())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train():
        optimiser.zero_grad(set_to_none=True)
        model.loss(x, epsilon).backward()
        optimiser.step()

    return {"vae 784-400-20 b128 train": train}


def dcgan():
    """A step of the critic and one of the generator, 64 images of 32 pixels a side."""
    channels = [128, 64, 32]
    real, z = (torch.from_numpy(closed_form.data(n, s)) for n, s in (("real", (64, 1, 32, 32)), ("z", (64, 64))))
    generator = closed_form.fill(DcganGenerator(channels, 1, 64))
    critic = closed_form.fill(DcganCritic(channels, 1))
    optimisers = [torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for m in (generator, critic)]

    def train():
        optimisers[1].zero_grad(set_to_none=True)
        fake = generator(z).detach()
        (softplus(-critic(real)).mean() + softplus(critic(fake)).mean()).backward()
        optimisers[1].step()
        optimisers[0].zero_grad(set_to_none=True)
        softplus(-critic(generator(z))).mean().backward()
        optimisers[0].step()

    return {"dcgan 32x32 b64 train": train}


def denoising_unet():
    """64 images of 16 pixels a side, cosine schedule, v prediction: a training step with Adam."""
    shape = (64, 1, 16, 16)
    x, epsilon = (torch.from_numpy(closed_form.data(name, shape)) for name in ("x", "epsilon"))
    labels = torch.from_numpy(closed_form.classes("labels", 64, 11))
    time = (1 + 15 * torch.arange(64)) / 1000
    angle = (time + 0.008) / 1.008 * torch.pi / 2
    a, sigma = (f(angle).view(-1, 1, 1, 1) for f in (torch.cos, torch.sin))
    model = closed_form.fill(DenoisingUNet([32, 64], classes=10))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train():
        optimiser.zero_grad(set_to_none=True)
        said = model(a * x + sigma * epsilon, time, labels)
        (said - (a * epsilon - sigma * x)).square().mean().backward()
        optimiser.step()

    return {"unet 16x16 b64 train": train}


def samples(repetitions, run):
    """Milliseconds a call; the first two are not counted."""
    times = []
    for _ in range(repetitions + 2):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times[2:]


def reinforcement(repetitions):
    """Gymnasium's steps, and the RL Zoo's settings for CartPole in Stable-Baselines3; the whole run of PPO once a turn."""
    import gymnasium
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.env_util import make_vec_env

    env = gymnasium.make("CartPole-v1")
    env.reset(seed=0)

    def steps():
        for _ in range(102_400):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()

    dqn = DQN(
        "MlpPolicy", gymnasium.make("CartPole-v1"), seed=0, device="cpu", learning_rate=2.3e-3, batch_size=64,
        buffer_size=100_000, learning_starts=1_000, gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128,
        exploration_fraction=0.16, exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]},
    )
    dqn.learn(2_048)

    def learn():
        dqn.learn(1_024, reset_num_timesteps=False)

    cases = {
        "CartPole-v1, 102,400 random steps": samples(min(repetitions, 3), steps),
        "DQN CartPole-v1, 1,024 steps": samples(repetitions, learn),
    }
    start = time.perf_counter()
    ppo = PPO(
        "MlpPolicy", make_vec_env("CartPole-v1", 8, seed=0), seed=0, device="cpu", n_steps=32, batch_size=256, n_epochs=20,
        gamma=0.98, gae_lambda=0.8, learning_rate=lambda left: 1e-3 * left, clip_range=lambda left: 0.2 * left,
    )
    ppo.learn(100_000)
    cases["PPO CartPole-v1, 100,000 steps"] = [(time.perf_counter() - start) * 1e3]
    return cases


CASES = {
    "cnn": [lenet, resnet18, mobilenet_v2, unet],
    "generative": [vae, dcgan, denoising_unet],
    "nn-core": [mlp, optimisers],
    "prep": [images],
    "sequence": [recurrent, gpt],
}
# Cases that do their own timing.
TIMED = {"rl": [reinforcement]}


def peak_kib():
    """Peak resident memory of this process (Linux)."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def main():
    crate, repetitions = sys.argv[1], int(sys.argv[2])
    cases = {}
    for make in CASES.get(crate, []):
        for name, run in make().items():
            for _ in range(3):
                run()
            times = []
            for _ in range(repetitions):
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1e3)
            cases[name] = times
    for measure in TIMED.get(crate, []):
        cases.update(measure(repetitions))
    print(json.dumps({"version": torch.__version__, "ms": cases, "peak_kib": peak_kib()}))


if __name__ == "__main__":
    main()

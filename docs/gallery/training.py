import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_diabetes
from torch import nn

from evenly.torch import BatchNorm1d, Normalize

torch.set_num_threads(1)  # more threads would mostly wait
x, y = load_diabetes(return_X_y=True, scaled=False)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
target = Normalize.fit(y)  # the disease progression, too, is learned in its own units


def losses(first, inside):
    """Return the loss of each of 60 epochs over 442 patients, in batches of 64."""
    torch.manual_seed(0)
    model = nn.Sequential(first, nn.Linear(10, 32), inside, nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    history = []
    for _ in range(60):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[batch]), target(y[batch]))
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            history.append(nn.functional.mse_loss(model.eval()(x), target(y)).item())
        model.train()
    return history


target.freeze()
runs = {
    "raw": losses(nn.Identity(), nn.Identity()),
    "Normalize": losses(Normalize.fit(x).freeze(), nn.Identity()),
    "Normalize and BatchNorm1d": losses(Normalize.fit(x).freeze(), BatchNorm1d(32)),
}
figure, axes = plt.subplots()
for (name, history), color in zip(runs.items(), ("#9aa3b0", "#1f5fbf", "#c2410c"), strict=True):
    axes.plot(history, label=name, color=color, linewidth=1.8)
    print(f"{name}: loss {history[-1]:.2f} after 60 epochs")
axes.set(xlabel="epoch", ylabel="mean squared error (1: the mean)", yscale="log")
axes.legend()

"""How far shares of rows move: by chance, for want of rows, and over time within the reference itself.

Movement is total variation: the share of rows that would have to change bins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FEWEST_BLOCKS, FINER = 4, 4
"""The reference is cut by time into 4 parts, 16, 64 and so on: slow changes show in few, cycles in many."""

SMALLEST_BLOCK = 500
"""A part with fewer rows moves too much by chance to tell anything. The finest cut is into parts of this size, however
many rows there are: in coarser ones a cycle that is short beside the reference, as a day in a year, cancels out."""

_SURE = 4.0
"""Movement of a part within so many standard deviations of chance is no movement."""

_WRONG = 0.002
"""Nor is what the farthest of all parts reaches by chance this often: of the more parts, the farther one may be."""


def reference_shares(counts: Counts) -> Vector:
    """Shares of the rows by bin, shape (k,): half a row is added to each, so that no bin is impossible."""
    shares: Vector = (counts + 0.5) / (counts + 0.5).sum()
    return shares


def sampling_movement(shares: Vector, rows: float) -> tuple[float, float]:
    """Mean and standard deviation of the movement between shares and a sample of so many rows.

    By the normal approximation of the multinomial distribution. What one bin gains others lose, so the deviations of
    bins hang together: cov(|x|, |y|) = 2/pi (r asin(r) + sqrt(1 - r^2) - 1) for standard normal x, y of correlation r.
    """
    rows = max(rows, 1.0)
    spread = np.sqrt(shares * (1 - shares) / rows)
    correlation = -np.outer(shares, shares) / rows / np.maximum(np.outer(spread, spread), 1e-300)
    np.fill_diagonal(correlation, 1.0)
    correlation = correlation.clip(-1, 1)
    common = correlation * np.arcsin(correlation) + np.sqrt(1 - correlation**2) - 1
    variance = 2 / np.pi * float(spread @ common @ spread)
    return float(0.5 * np.sqrt(2 / np.pi) * spread.sum()), 0.5 * float(np.sqrt(max(variance, 0.0)))


def unsure_share(counts: Counts) -> float:
    """How far the reference may be from the truth for want of rows: mean and two deviations, at most 1."""
    mean, deviation = sampling_movement(reference_shares(counts), int(counts.sum()))
    return min(1.0, mean + 2 * deviation)


def movement_over_time(bins: npt.NDArray[np.intp], size: int) -> float:
    """The farthest that a part of the reference, cut by time, was from the whole, less what chance explains.

    Args:
        bins: the bin of each row, in order of time, shape (n,).
        size: number of bins.
    """
    farthest = 0.0
    for blocks in block_numbers(len(bins)):
        rows = len(bins) // blocks
        block = np.minimum(np.arange(len(bins)) // rows, blocks - 1)
        counts = np.bincount(block * size + bins, minlength=blocks * size).reshape(blocks, size)
        whole = counts.sum(axis=0)
        parts = counts / counts.sum(axis=1, keepdims=True)
        moved = 0.5 * np.abs(parts - whole / len(bins)).sum(axis=1).max()
        mean, deviation = sampling_movement(reference_shares(whole), 1 / (1 / rows - 1 / len(bins)))
        if moved > max(mean + _SURE * deviation, _seldom(mean, deviation, _WRONG / blocks)):
            farthest = max(farthest, float(moved) - mean)
    return farthest


def _seldom(mean: float, deviation: float, probability: float) -> float:
    """Movement that chance exceeds with a small probability.

    Movement is a sum of sizes, about the length of a normal vector of as many directions as give its mean and standard
    deviation: the chi distribution, whose far end is longer than that of the normal one.
    """
    directions = ((mean / max(deviation, 1e-300)) ** 2 + 1) / 2
    return float(mean * np.sqrt(chdtri(directions, probability) / (directions - 0.5)))


def block_numbers(rows: int) -> Iterator[int]:
    """Into how many parts a reference of so many rows is cut, the fewest first."""
    blocks, most = FEWEST_BLOCKS, rows // SMALLEST_BLOCK
    while blocks < most:
        yield blocks
        blocks *= FINER
    if most >= FEWEST_BLOCKS:
        yield most


def movement_by_choice(codes: npt.NDArray[np.int64], levels: int, listed: int) -> float:
    """How much of the share of the listed levels is owed to their being chosen: the most frequent of many are so by
    luck as well, and rarer where they were not chosen.

    They are chosen in every second row and looked for in the others, and the other way round. Of all rows, luck makes
    less: it falls with the root of their number. Two deviations are added, as for what rows leave unsure.

    Args:
        codes: level of each row, shape (n,), from 0.
        levels: how many there are.
        listed: how many of them, the most frequent, have a bin of their own.

    Returns:
        A share of the rows, at least 0.
    """
    if levels <= listed or len(codes) < 2:
        return 0.0
    one, other = (np.bincount(half, minlength=levels) for half in (codes[::2], codes[1::2]))
    lost = (_lost(one, other, listed) + _lost(other, one, listed)) / 2
    top = np.sort(one + other)[-listed:]
    shares = reference_shares(np.append(top, len(codes) - top.sum()))
    deviation = sampling_movement(shares, len(codes))[1]
    return float(min(1.0, lost / np.sqrt(2) + 2 * deviation)) if lost > 0 else 0.0


def _lost(chosen: Counts, others: Counts, listed: int) -> float:
    """By how much the most frequent levels of the chosen rows are rarer in the others; a share."""
    top = np.argsort(-chosen, kind="stable")[:listed]
    return float(chosen[top].sum() / chosen.sum() - others[top].sum() / others.sum())

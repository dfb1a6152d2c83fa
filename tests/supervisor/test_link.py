"""The mesh: who gets a pair of sockets, and when again."""

import pytest

from hubbub.supervisor.link import CALM, Identity, Mesh

A, B, C = Identity(0, 1), Identity(1, 1), Identity(2, 4)


@pytest.fixture
def mesh() -> Mesh:
    mesh = Mesh()
    mesh.hello(A, 0)
    mesh.hello(B, 0)
    return mesh


def test_pair_without_sockets_is_due_again_after_a_pause(mesh: Mesh) -> None:
    mesh.not_given((A, B), 0.0)
    assert mesh.next_due() == pytest.approx(0.2)
    assert mesh.take_due(0.2) == [(A, B)]
    mesh.not_given((A, B), 0.2)
    assert mesh.next_due() == pytest.approx(0.6)
    assert mesh.take_due(0.7) == [(A, B)]
    assert mesh.next_due() is None
    # Nobody owes a report: the first one is news.
    assert mesh.lost(A, B, 1.0) is True


def test_who_owes_a_report_still_does_when_there_were_no_sockets(mesh: Mesh) -> None:
    mesh.lost(A, B, 1.0)
    mesh.take_due(1.2)
    mesh.not_given((A, B), 1.2)
    mesh.take_due(1.6)
    assert mesh.lost(B, A, 1.7) is False
    assert mesh.next_due() is None
    assert mesh.lost(B, A, 1.8) is True


def test_newcomer_is_paired_with_everybody_there(mesh: Mesh) -> None:
    assert mesh.hello(C, 1) == [(A, C), (B, C)]


def test_two_workers_of_one_slot_are_not_paired(mesh: Mesh) -> None:
    assert mesh.hello(Identity(0, 2), 1) == [(Identity(0, 2), B)]


def test_gone_worker_leaves_the_others_to_be_told(mesh: Mesh) -> None:
    mesh.hello(C, 1)
    assert mesh.gone(A) == [B, C]
    assert mesh.lost(B, A, 2) is None
    assert mesh.gone(A) == [B, C]


def test_lost_link_is_made_again_once_after_a_pause(mesh: Mesh) -> None:
    assert mesh.lost(A, B, 1.0) is True
    assert mesh.lost(B, A, 1.1) is False
    assert mesh.next_due() == pytest.approx(1.2)
    assert mesh.take_due(1.19) == []
    assert mesh.take_due(1.2) == [(A, B)]
    assert mesh.next_due() is None


def test_pause_doubles_while_losses_repeat_and_resets_after_calm(mesh: Mesh) -> None:
    now, pauses = 0.0, []
    for _ in range(7):
        mesh.lost(A, B, now)
        mesh.lost(B, A, now)
        due = mesh.next_due()
        assert due is not None
        pauses.append(round(due - now, 3))
        now = due
        mesh.take_due(now)
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    mesh.lost(A, B, now + CALM)
    assert mesh.next_due() == pytest.approx(now + CALM + 0.2)


def test_late_report_of_the_old_loss_is_not_taken_for_a_new_one(mesh: Mesh) -> None:
    mesh.lost(A, B, 1.0)
    mesh.take_due(1.2)
    assert mesh.lost(B, A, 1.3) is False
    assert mesh.next_due() is None
    assert mesh.lost(B, A, 2.0) is True


def test_loss_of_the_new_pair_is_seen_by_its_other_end(mesh: Mesh) -> None:
    mesh.lost(A, B, 1.0)
    mesh.take_due(1.2)
    assert mesh.lost(B, A, 1.3) is False  # B owed this one, whichever it meant
    assert mesh.lost(A, B, 1.3) is True


def test_pair_of_a_worker_that_died_meanwhile_is_not_made(mesh: Mesh) -> None:
    mesh.lost(A, B, 1.0)
    mesh.gone(B)
    assert mesh.take_due(10) == []

"""Documents are packed into sequences in order, none lost, and a stream goes on exactly where it stood."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real_models.corpora import Files, HubDataset, InMemory, Place, Sequences, as_place

from . import tiny

LANGUAGE = tiny.language()
BOS, EOS = 0, 1


def ids(text):
    return LANGUAGE.tokenizer(text, False, False)["input_ids"]


def unpacked(sequences, number):
    """Tokens of some sequences without the BOS that each begins with."""
    found = [next(sequences).tolist() for _ in range(number)]
    assert all(sequence[0] == BOS for sequence in found)
    return [token for sequence in found for token in sequence[1:]]


@given(
    st.lists(st.text("abcdef", max_size=30), min_size=1, max_size=6).filter(any),
    st.integers(2, 20),
    st.integers(1, 3),
)
def test_every_token_of_every_document_comes_once_an_epoch_and_in_order(texts, length, shards):
    for rank in range(shards):
        mine = [text for text in texts[rank::shards] if text]
        if not mine:
            continue
        tokens = [token for text in mine for token in (*ids(text), EOS)]
        sequences = Sequences(LANGUAGE, InMemory(texts), length, (rank, shards))
        found = unpacked(sequences, 2 * len(tokens) // (length - 1) + 1)
        assert found == (tokens * (len(found) // len(tokens) + 1))[: len(found)]


@given(st.lists(st.text("abcdef", min_size=1, max_size=30), min_size=1, max_size=5), st.integers(0, 20))
def test_a_stream_goes_on_exactly_where_it_stood(texts, before):
    whole = Sequences(LANGUAGE, InMemory(texts), 8)
    for _ in range(before):
        next(whole)
    resumed = Sequences(LANGUAGE, InMemory(texts), 8, place=as_place(json.loads(json.dumps(vars(whole.place)))))
    for _ in range(5):
        assert next(resumed).tolist() == next(whole).tolist()


def test_a_long_document_is_cut_into_many_sequences():
    sequences = Sequences(LANGUAGE, InMemory(["a" * 5000]), 4)
    for _ in range(1500):
        next(sequences)
    assert sequences.place == Place(0, 0, 4500)


def test_rows_of_tokens_need_no_tokenizer():
    plain = tiny.language(text=False)
    assert next(Sequences(plain, InMemory([[3, 4, 5]]), 4)).tolist() == [3, 4, 5, 3]
    with pytest.raises(ValueError, match="no tokenizer"):
        next(Sequences(plain, InMemory(["text"]), 4))


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="at least one document"):
        InMemory([])
    with pytest.raises(ValueError, match="are empty"):
        next(Sequences(LANGUAGE, InMemory(["", ""]), 4))
    with pytest.raises(ValueError, match=f"token {tiny.VOCABULARY} is not among"):
        next(Sequences(LANGUAGE, InMemory([[3, tiny.VOCABULARY]]), 4))
    with pytest.raises(ValueError, match="length"):
        Sequences(LANGUAGE, InMemory(["a"]), 1000)


def test_files_are_documents_and_so_are_lines_of_jsonl(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo")
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n\n{"text": "four"}\n')
    corpus = Files(str(tmp_path / "*"))
    assert list(corpus.documents(0, 1)) == ["one\ntwo", "three", "four"]
    assert list(corpus.documents(1, 2)) == ["three"]
    before = corpus.fingerprint
    (tmp_path / "a.txt").write_text("one\nmore")
    assert Files(str(tmp_path / "*")).fingerprint != before


def test_errors_name_the_file_the_line_and_the_mend(tmp_path):
    with pytest.raises(ValueError, match="no file matches"):
        Files(str(tmp_path / "*.txt"))
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n{"body": "four"}\n')
    with pytest.raises(ValueError, match=r"b\.jsonl, line 2: .*'text'"):
        list(Files(str(tmp_path / "b.jsonl")).documents(0, 1))
    (tmp_path / "c.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"c\.txt is no UTF-8 text"):
        list(Files(str(tmp_path / "c.txt")).documents(0, 1))


def test_datasets_of_the_hub_say_what_they_need(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ValueError, match="pip install datasets"):
        HubDataset("Skylion007/openwebtext")

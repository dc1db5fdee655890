#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a text file as one C++ raw string literal: embed_text.py INPUT OUTPUT."""
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_text(encoding='ascii')
assert ')table"' not in text
pathlib.Path(sys.argv[2]).write_text('R"table(' + text + ')table"\n', encoding='ascii')

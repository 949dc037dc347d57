# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recovering a swarm does on one host: it puts the host's files and its engine together, as no lower room may.

Everything that can be wrong is looked for before the engine is stopped. What is stopped is started again. What the
engine had on its disk is kept aside, and is put back unless the engine may have made its swarm anew.
"""

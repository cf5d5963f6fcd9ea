#!/usr/bin/env node
import { receiveCommand } from '../dist/cli/receive-command.js'

process.exitCode = await receiveCommand(process.argv.slice(2))

#!/usr/bin/env node
import { sendCommand } from '../dist/cli/send-command.js'

process.exitCode = await sendCommand(process.argv.slice(2))

#!/usr/bin/env node
import { sendCommand } from '#send-command'

process.exitCode = await sendCommand(process.argv.slice(2))

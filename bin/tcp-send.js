#!/usr/bin/env node
import { createRequire } from 'node:module'

const { sendCommand } = createRequire(import.meta.url)('#send-command')
process.exitCode = await sendCommand(process.argv.slice(2))

#!/usr/bin/env node
import { receiveCommand } from '#receive-command'

process.exitCode = await receiveCommand(process.argv.slice(2))

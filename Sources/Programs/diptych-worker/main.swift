import Worker

WorkerCommand.start()

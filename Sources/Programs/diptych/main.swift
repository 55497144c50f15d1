import Coordinator

Diptych.start()
